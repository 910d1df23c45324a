"""Teaching the landmark backbone."""
