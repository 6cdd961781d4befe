"""Chapter 2: Gradient descent in four steps."""
