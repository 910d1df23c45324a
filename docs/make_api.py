"""
docs/api.md from the docstrings of what the package exports.

    python docs/make_api.py
"""

import ast
import inspect
import re
import textwrap
from pathlib import Path

import grefel_hf

PAGE = Path(__file__).with_name("api.md")
HEAD = """# API

What `grefel_hf` exports, from the docstrings by `make api`. Shapes: B is the batch, N the number of classes, K the
anchors per class, T the visual tokens, D the width.
"""


def signature(function: ast.FunctionDef) -> str:
    """As the source has it, without its defaults' values being computed."""
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return textwrap.fill(f"{function.name}({ast.unparse(function.args)}){returns}", 118, subsequent_indent="    ")


def block(*parts: str | None) -> str:
    """Examples lose their fences, which would end the block."""
    text = "\n\n".join(part.strip("\n") for part in parts if part)
    return "```text\n" + re.sub(r"^ *```.*\n?", "", text, flags=re.M).rstrip() + "\n```\n"


def entry(name: str, exported: type) -> str:
    """A class with its own documented methods, or a function."""
    node = ast.parse(textwrap.dedent(inspect.getsource(exported))).body[0]
    heading = f"## {name}\n\n`{exported.__module__}`\n"
    if isinstance(node, ast.FunctionDef):
        return "\n".join([heading, block(signature(node), ast.get_docstring(node))])
    functions = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    constructor = next((signature(part) for part in functions if part.name == "__init__"), None)
    methods = [
        block(signature(part), textwrap.indent(ast.get_docstring(part), "    "))
        for part in functions
        if ast.get_docstring(part) and (part.name == "__call__" or not part.name.startswith("_"))
    ]
    return "\n".join([heading, block(ast.get_docstring(node), constructor), *methods])


def api_page() -> str:
    exported = {name: getattr(grefel_hf, name) for name in grefel_hf.__all__ if not name.startswith("_")}
    return "\n".join([HEAD, *(entry(name, value) for name, value in exported.items())])


if __name__ == "__main__":
    PAGE.write_text(api_page())
