"""One video."""
