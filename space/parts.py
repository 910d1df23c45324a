"""What the tabs share: how HTML is placed, and how events that need the model are run."""

import gradio as gr

# Requests that are worked on at once: one already uses all cores of a small machine.
MODEL = {"concurrency_limit": 1, "concurrency_id": "model"}
# Events that serve the page only; programs use the endpoints.
PRIVATE = {"api_visibility": "private", "preprocess": False}


def html(content: str, name: str, *, visible: bool = True, script: str | None = None) -> gr.HTML:
    """HTML of our own: none of Gradio's styles; `script` is run once, with the variable `element`."""
    return gr.HTML(content, elem_id=name, visible=visible, apply_default_css=False, js_on_load=script)
