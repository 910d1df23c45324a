"""Text in CSV files: a spreadsheet must not take a name for a formula."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARK = "'"  # which spreadsheets take for "this is text"


def as_cell(value: Any) -> Any:
    """A value for a CSV file: text that begins as a formula does, or that this would be taken for, gets a mark."""
    return _MARK + value if isinstance(value, str) and value.lstrip(_MARK).startswith(_FORMULA) else value


def from_cell(text: str) -> str:
    """What `as_cell` was given."""
    return text[1:] if text.startswith(_MARK) and text.lstrip(_MARK).startswith(_FORMULA) else text


def csv_text(table: "pd.DataFrame") -> str:
    """A table without its index."""
    return table.apply(lambda column: column.map(as_cell)).to_csv(index=False)
