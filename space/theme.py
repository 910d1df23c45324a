"""The look of Gradio's own parts: ink on paper, system fonts (no font is fetched from anywhere)."""

from pathlib import Path

import gradio as gr

from .rendering import render

_FOLDER = Path(__file__).parent
CSS = _FOLDER / "page.css"
_SCRIPTS = sorted((_FOLDER / "scripts").glob("*.js"))
# What page.css takes from the theme, for reports, which stand alone.
_COLOURS = ("border_color_primary", "body_text_color", "body_text_color_subdued", "block_background_fill")


def page_theme() -> gr.themes.Base:
    """Neutral colours, so that the expressions' colours are the only ones on the page."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.slate,
        secondary_hue=gr.themes.colors.slate,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=("system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"),
        font_mono=("ui-monospace", "Consolas", "Menlo", "monospace"),
    )
    return theme.set(
        body_background_fill="#fbfbf9",
        body_background_fill_dark="#101216",
        body_text_color="#16181d",
        body_text_color_dark="#eceef2",
        body_text_color_subdued="#565c67",
        body_text_color_subdued_dark="#a5acb8",
        block_background_fill="#ffffff",
        block_background_fill_dark="#181b21",
        border_color_primary="#dcdfe4",
        border_color_primary_dark="#343a45",
        button_primary_background_fill="#16181d",
        button_primary_background_fill_hover="#363b45",
        button_primary_background_fill_dark="#eceef2",
        button_primary_background_fill_hover_dark="#ffffff",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#16181d",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_hover="#f1f2f4",
        button_secondary_background_fill_dark="#181b21",
        button_secondary_background_fill_hover_dark="#252a33",
        button_secondary_border_color="#c9cdd4",
        button_secondary_border_color_dark="#454c59",
    )


def page_head(model: str) -> str:
    """What goes into the page's head: its scripts, and the frame of reports, which name the model."""
    theme = page_theme()
    colours = {name.replace("_", "-"): getattr(theme, name) for name in _COLOURS}
    report = render("report", style=CSS.read_text(encoding="utf-8"), colours=colours, model=model)
    return render("head", scripts=[script.read_text(encoding="utf-8") for script in _SCRIPTS], report=report)
