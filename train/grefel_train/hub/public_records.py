"""What a run wrote about itself, without what is nobody else's business: secrets, and paths of the machine."""

import json
import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml

from grefel_train.flags import Scope
from grefel_train.run.arguments import within

SECRET_KEY = re.compile(r"token|secret|password|api_key", re.I)
SECRET_VALUE = re.compile(r"\bhf_[A-Za-z0-9]{10,}")
# A path from the root, the home folder, a drive or the folder above; web addresses are none.
START = r"(?:/|~[\w.-]*/|\.\./|[A-Za-z]:[\\/]|\\\\)"
QUOTED_PATH = re.compile(rf"(?<=['\"]){START}[^'\"]+(?=['\"])")  # may have blanks
MACHINE_PATH = re.compile(rf"(?<![\w.:/~\\]){START}[^\s'\"`,;:()\[\]{{}}<>]+")


def public_record(value: Any) -> Any:
    """
    A JSON value without keys that hold secrets, and with every path of the machine cut to its last part.

    Paths relative to the working folder stay: they mean the same in every clone.
    """
    if isinstance(value, dict):
        return {key: public_record(item) for key, item in value.items() if not SECRET_KEY.search(str(key))}
    if isinstance(value, list | tuple):
        return [public_record(item) for item in value]
    return public_text(value) if isinstance(value, str) else value


def public_text(text: str) -> str:
    """`public_record` of one string: a path as a whole (it may have blanks), or a sentence or command with paths."""
    absolute = PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute() or text.startswith("~")
    if absolute and " -" not in text:
        return _last_part(text)
    text = SECRET_VALUE.sub("hf_...", text)
    for pattern in (QUOTED_PATH, MACHINE_PATH):
        text = pattern.sub(lambda match: _last_part(match[0]), text)
    return text


def _last_part(path: str) -> str:
    # A Windows path knows both separators. Only a root has no name.
    return PureWindowsPath(path).name or "..."


def public_log(file: Path) -> str:
    """A log of one JSON object a line, made public; a line that a kill cut short is left out."""
    lines = []
    for line in file.read_text().splitlines():
        try:
            lines.append(json.dumps(public_record(json.loads(line))))
        except ValueError:
            continue
    return "".join(line + "\n" for line in lines)


def recipe_text(results: dict) -> str:
    """The recipe (YAML for `train.py --config`) that a run had: its settings without where it read and wrote."""
    arguments = within(public_record(results["args"]), Scope.RUN)
    recipe = {key: value for key, value in arguments.items() if value is not None}
    header = (
        f"# The settings of a run at commit {results.get('commit', 'unknown')}; add --dataset_dir (or the flags of\n"
    )
    return f"{header}# your data) and --output_dir to repeat it.\n{yaml.safe_dump(recipe, sort_keys=False)}"
