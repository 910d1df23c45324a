"""From templates/ to the page: nothing else makes HTML, and all text is escaped on its way into a template."""

from pathlib import Path
from typing import Any

import gradio as gr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from grefel_hf.plurals import counted

from . import limits
from .sentences import confidence_words, percent


def render(template: str, **values: Any) -> str:
    """
    A template, filled.

    Args:
        template: path below templates/, without its ending.
    """
    return _ENVIRONMENT.get_template(f"{template}.html.jinja").render(values).strip()


def html(content: str, name: str, *, visible: bool = True, script: str | None = None) -> gr.HTML:
    """HTML of our own: none of Gradio's styles; `script` is run once, with the variable `element`."""
    return gr.HTML(content, elem_id=name, visible=visible, apply_default_css=False, js_on_load=script)


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}"


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "confidence_words": confidence_words,
    "counted": counted,
    "fixed": _fixed,
    "percent": percent,
}
_ENVIRONMENT.globals["limits"] = limits
