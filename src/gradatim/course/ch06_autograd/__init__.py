"""Chapter 6: Autograd, in three attempts."""
