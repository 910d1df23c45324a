"""Text for terminals: names of files are data, never markup, escapes or line breaks."""

import logging
import re

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.logging import RichHandler
from rich.text import Text

# Control characters, marks that turn the direction of writing, and bytes that are no text.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: object) -> str:
    """One line in which what is unprintable is written as its escape."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


def one_line(error: object) -> str:
    """An error's message, its own line breaks as spaces."""
    return visible(" ".join(line.strip() for line in str(error).splitlines()))


def say(console: Console, message: str, style: str = ""):
    """Print a message as it is."""
    console.print(Text(visible(message), style=style), soft_wrap=True)


def end_of(text: str, width: int) -> str:
    """The end of a text in `width` cells, where paths differ."""
    text = visible(text)
    if cell_len(text) <= width:
        return text
    start = next(index for index in range(len(text)) if cell_len(text[index:]) < width)
    return set_cell_size("…" + text[start:], width).rstrip()


class Handler(RichHandler):
    """Log records on the console, visible."""

    def __init__(self, console: Console):
        super().__init__(console=console, show_time=False, show_path=False)

    def render_message(self, record: logging.LogRecord, message: str) -> Text:
        return Text(visible(message))
