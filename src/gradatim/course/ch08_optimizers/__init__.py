"""Chapter 8: Optimizers."""
