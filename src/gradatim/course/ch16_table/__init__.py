"""Chapter 16: Your own table."""
