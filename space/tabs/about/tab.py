"""The tab for the page's texts, and what was measured of the model."""

from typing import Any

from ...rendering import html
from .examples import ADDRESS
from .view import about_view

# Runs once, when the text is there.
SHOW_ADDRESS = f"""
for (const code of element.querySelectorAll("code"))
  code.textContent = code.textContent.replaceAll("{ADDRESS}", location.origin);
"""


def about_tab(evaluation: dict[str, Any], labels: tuple[str, ...], name: str | None) -> None:
    """Make the tab inside the Blocks context that is open; see `about_view`."""
    html(about_view(evaluation, labels, name), "gf-about", script=SHOW_ADDRESS)
