"""Chapter 9: Losses."""
