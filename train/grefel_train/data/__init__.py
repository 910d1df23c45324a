"""Data sets: from files and columns to batches."""
