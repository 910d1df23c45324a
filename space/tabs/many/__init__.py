"""A set of photos."""
