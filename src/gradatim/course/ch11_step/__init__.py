"""Chapter 11: The train step."""
