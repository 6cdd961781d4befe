"""The pitfalls, one a file; ``gradatim doctor --list`` names them."""
