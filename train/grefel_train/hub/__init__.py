"""Checkpoints on the Hub, with their cards."""
