"""Data files and data frames as Arrow columns, one kind of file each."""
