"""Chapter 10: Models."""
