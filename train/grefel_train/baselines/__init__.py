"""What others do about wrong labels, re-implemented small to compare with."""
