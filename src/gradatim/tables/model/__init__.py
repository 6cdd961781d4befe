"""The networks and linear models for tables, and how their answers are scored."""
