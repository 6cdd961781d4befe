"""Chapter 15: The Trainer."""
