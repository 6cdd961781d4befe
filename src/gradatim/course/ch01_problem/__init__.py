"""Chapter 1: A line and its points."""
