"""Checkpoints on the Hub, with their cards."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
