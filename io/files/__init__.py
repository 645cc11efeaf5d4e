"""Sources in files: found, planned, cut into ranges, read as blocks."""
