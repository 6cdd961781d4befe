"""Chapter 7: The dynamic graph."""
