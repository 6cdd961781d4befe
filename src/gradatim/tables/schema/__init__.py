"""What is known of a table's columns, and how values become numbers by it."""
