"""Chapter 12: Data sets and loaders."""
