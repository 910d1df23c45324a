"""The command blocks of the documentation, and checks that a command names what this repository has."""

import argparse
import importlib
import itertools
import re
import runpy
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.helpers import REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
LANGUAGES = {"python", "bash", "text", "bibtex"}
NEEDS = {"hub", "gpu", "the published file"}
# Tools that are not ours, by the words with which a command calls them.
FOREIGN = (("pip", "install"), ("pip", "download"), ("hf", "auth", "login"), (".", ".venv/bin/activate"))
FOREIGN += (("git", "clone"), ("git", "worktree"))
BLOCK = re.compile(r"(?:^<!-- needs: (?P<needs>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
# Where commands write what a clone does not have.
MADE = ("train/weights", "runs/")


@dataclass(frozen=True)
class Block:
    """A fenced block: the page, the line of its fence, its language, its lines, and what it needs ("" for nothing)."""

    page: Path
    line: int
    language: str
    text: str
    needs: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Of a bash block, each on one line, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(
            page,
            text[: match.start("language")].count("\n") + 1,
            *match.group("language", "text"),
            match["needs"] or "",
        )
        for match in BLOCK.finditer(text)
    ]


def check_command(command: str, monkeypatch) -> None:
    """
    Parse a command by the program that it calls; nothing is run.

    Raises:
        AssertionError: the program, a flag or a file of the repository does not exist, or a value is refused.
    """
    words = shlex.split(command, comments=True)
    variables = list(itertools.takewhile(re.compile(r"[A-Z_]+=").match, words))  # of the environment
    words = words[len(variables) :]
    if any(tuple(words[: len(foreign)]) == foreign for foreign in FOREIGN):
        return
    check_files(words)
    if words[0] == "make":
        check_make(words[1:], monkeypatch)
    elif words[0] == "grefel":
        parse_module(console_script("grefel"), words[1:], monkeypatch)
    elif words[:2] == ["accelerate", "launch"]:
        from accelerate.commands.launch import launch_command_parser

        launched = launch_command_parser().parse_args(words[2:])
        parse_script(launched.training_script, launched.training_script_args, monkeypatch)
    elif words[:2] == ["python", "-m"]:
        parse_module(words[2], words[3:], monkeypatch)
        assert "PYTHONPATH=train" in variables or not imports_from_train(words[2]), f"{command} needs PYTHONPATH=train"
    elif words[0] == "python":
        parse_script(words[1], words[2:], monkeypatch)
    else:
        raise AssertionError(f"no check knows the program {words[0]!r}")


def check_files(words: list[str]) -> None:
    """What is named as a path of this repository exists."""
    tops = {path.name for path in REPOSITORY.iterdir() if path.is_dir()}
    for word in words:
        if word.partition("/")[0] in tops and "/" in word and not word.startswith(MADE):
            path = REPOSITORY / word
            # A file to be written may be new, in a folder that exists.
            assert path.exists() or (path.suffix == ".json" and path.parent.is_dir()), f"there is no {word}"


def check_make(words: list[str], monkeypatch) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = re.findall(r"^(\w+):", makefile, re.M)
    for word in words:
        variable, equals, value = word.partition("=")
        if not equals:
            assert word in targets, f"the Makefile has no target {word}"
        elif variable != "ARGS":
            assert f"$({variable})" in makefile, f"the Makefile has no variable {variable}"
        elif "demo" in words:
            parse_script("app.py", shlex.split(value), monkeypatch)
        else:
            check_files(shlex.split(value))


def console_script(name: str) -> str:
    """The module of an entry point."""
    script = re.search(rf'^{name} = "([\w.]+):', (REPOSITORY / "pyproject.toml").read_text(), re.M)
    assert script, f"pyproject.toml has no script {name}"
    return script[1]


def parse_module(name: str, argv: list[str], monkeypatch) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"there is no module {name}"
    if spec.submodule_search_locations:
        name += ".__main__"
    parse(vars(importlib.import_module(name)), name, argv, monkeypatch)


def imports_from_train(name: str) -> bool:
    """Whether a module has something of train/, which is on the path of tests and of no command."""
    tops = {path.stem for path in (REPOSITORY / "train").iterdir()}
    values = vars(sys.modules[name]).values() if name in sys.modules else ()
    return any(str(getattr(value, "__module__", "")).partition(".")[0] in tops for value in values)


def parse_script(script: str, argv: list[str], monkeypatch) -> None:
    path = REPOSITORY / script
    assert path.is_file(), f"there is no {script}"
    monkeypatch.syspath_prepend(str(path.parent))  # as Python does for a script
    parse(runpy.run_path(str(path), run_name="documented"), script, argv, monkeypatch)


def parse(namespace: dict, name: str, argv: list[str], monkeypatch) -> None:
    """By the program's own `parse_args`, or up to where its `main` has parsed."""

    class Parsed(BaseException):
        pass

    monkeypatch.setattr(sys, "argv", [name, *argv])
    try:
        if "parse_args" in namespace:
            namespace["parse_args"]()
        else:
            original = argparse.ArgumentParser.parse_args

            def only_parse(parser, *args, **kwargs):
                original(parser, *args, **kwargs)
                raise Parsed

            monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
            namespace["main"]()
    except Parsed:
        pass
    except SystemExit as error:
        raise AssertionError(f"{name} refuses {shlex.join(argv)}: {error}") from error
    finally:
        monkeypatch.undo()
