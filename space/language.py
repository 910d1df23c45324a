"""Gradio's own words in English, like ours, whatever the browser prefers."""

from jinja2 import Environment, FunctionLoader

from .rendering import render


def speak_english(templates: Environment) -> None:
    """Have every page that these templates of the framework make say that its visitor reads English."""
    loader, start = templates.loader, f"head>{render('english')}"

    def load(name: str):
        source, *rest = loader.get_source(templates, name)
        return source.replace("head>", start, 1), *rest

    templates.loader = FunctionLoader(load)
