"""Markdown from Jinja templates: its prose comes out in lines of one width, whatever the template's lines are."""

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from grefel_hf.plurals import counted
from grefel_train.evaluation.words import between, decimal, may_be_chance, percent, points

WIDTH = 118


def paragraph(caller: Callable[[], str]) -> str:
    """For `{% call paragraph() %}`: one paragraph, whose tags may stand in lines of their own."""
    return " ".join(caller().split())


def lasted(seconds: float) -> str:
    """In minutes, or in seconds where those would be few."""
    return counted(round(seconds / 60), "minute") if seconds >= 120 else counted(round(seconds), "second")


# What templates may call.
FUNCTIONS = {
    "between": between,
    "counted": counted,
    "decimal": decimal,
    "lasted": lasted,
    "may_be_chance": may_be_chance,
    "paragraph": paragraph,
    "percent": percent,
    "points": points,
    "thousands": "{:,}".format,
}


def rendered(template: Path, **values: Any) -> str:
    return wrapped(jinja2.Template(template.read_text()).render(FUNCTIONS | values))


def wrapped(markdown: str) -> str:
    """Paragraphs and points of lists filled anew; the rest, which has its own lines or is one, as it is."""
    blocks = []
    for part in re.split(r"(^```.*?^```$)", markdown, flags=re.M | re.S):
        blocks += [part] if part.startswith("```") else map(wrapped_block, re.split(r"\n\s*?\n", part))
    return "\n\n".join(filter(None, blocks)) + "\n"


def wrapped_block(block: str) -> str:
    block = block.strip("\n")
    if block.startswith(("#", "|", "    ", "---", "<", "![")):
        return block
    if block.startswith("- "):
        points = re.split(r"\n(?=- )", block)
        return "\n".join(filled(point[2:], initial_indent="- ", subsequent_indent="  ") for point in points)
    return filled(block)


def filled(text: str, **indents: str) -> str:
    """One paragraph, none of whose lines begins with a per cent sign."""
    whole = " ".join(text.split()).replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.fill(whole, WIDTH, break_long_words=False, break_on_hyphens=False, **indents)
    return lines.replace("\N{NO-BREAK SPACE}", " ")
