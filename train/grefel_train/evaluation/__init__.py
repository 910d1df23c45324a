"""What evaluate.py measures beyond single metrics, how sure the figures are, and the report that shows them."""
