"""What holds for every script in train/."""

import ast
import importlib
import re

import pytest

from tests.helpers import REPOSITORY

SCRIPTS = sorted((REPOSITORY / "train").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_help_begins_with_one_plain_sentence(script, capsys):
    with pytest.raises(SystemExit) as end:
        importlib.import_module(script.stem).parse_args(["--help"])
    text = capsys.readouterr().out
    sentence = ast.get_docstring(ast.parse(script.read_text())).splitlines()[0]
    # A verb that says what the script does, and a full stop; no list after a colon.
    assert re.fullmatch(r"[A-Z][a-z]+ [^:`]{20,110}\.", sentence), sentence
    assert not sentence.split()[0].endswith("s"), sentence
    description = re.search(r"\n\n(.+?)(?:\n\n|$)", text, re.S)[1]
    assert end.value.code in (None, 0) and " ".join(description.split()) == sentence


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_has_a_main(script):
    functions = [node.name for node in ast.parse(script.read_text()).body if isinstance(node, ast.FunctionDef)]
    assert {"parse_args", "main"} <= set(functions)
