"""Chapter 5: Parameters."""
