"""Chapter 3: All by hand, in NumPy."""
