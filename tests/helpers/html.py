"""Looking at the HTML of a view."""

import re
from html.parser import HTMLParser


class _Balance(HTMLParser):
    """Fails on a tag that is closed out of order."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("img", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def assert_well_formed(html: str) -> None:
    """Every tag is closed, in order."""
    parser = _Balance()
    parser.feed(html)
    parser.close()
    assert parser.open == []


def cells(html: str) -> list[str]:
    """The figures that a table shows, row by row."""
    return [text.replace("\u00a0", " ") for text in re.findall(r'<span class="gf-number">([^<]*)</span>', html)]


def section(html: str, title: str) -> str:
    """What stands under this heading."""
    return next(part for part in re.findall(r"<section.*?</section>", html, re.DOTALL) if f"<h3>{title}</h3>" in part)
