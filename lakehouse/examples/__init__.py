"""Lakes to read and to copy."""
