"""Which labels of a dataset are likely wrong, shown to a person and corrected as that person decides."""
