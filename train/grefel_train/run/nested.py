"""Nested dicts of settings and figures."""

from typing import Any


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one, with dotted keys."""
    entries = {}
    for key, value in settings.items():
        nested = flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {prefix + key: value}
        entries.update(nested)
    return entries
