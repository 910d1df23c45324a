"""What several tests share; none of these modules holds a test."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
