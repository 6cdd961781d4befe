"""Chapter 13: Splitting."""
