"""Chapter 4: Tensors and devices."""
