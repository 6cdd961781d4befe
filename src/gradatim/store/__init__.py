"""Durable files: written whole, checked when read. Knows nothing of training."""
