"""
Recipes: YAML files whose keys are the flags of a script, overridden by the flags that are given.

jsonargparse can nearly do this and was tried: it takes `refinement: 3` and `freeze_modules: grefel` as they stand
(neither a truth nor a list), refuses an empty recipe, and its messages do not say which file is wrong.
"""

import argparse
import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

import grefel_hf
from grefel_train.flags import FlagParser, Scope

MODEL_PREFIX = "model."


def model_entries() -> tuple[str, ...]:
    """
    Every entry of `GReFELConfig`, which a recipe's `model` or a flag --model.ENTRY may set, from its source: the class
    itself comes with transformers and PyTorch, and --help would wait for them.
    """
    source = Path(grefel_hf.__file__).parent / "model" / "configuration_grefel.py"
    (config,) = (node for node in ast.parse(source.read_text()).body if getattr(node, "name", "") == "GReFELConfig")
    return tuple(node.target.id for node in config.body if isinstance(node, ast.AnnAssign))


MODEL_ENTRIES = model_entries()


def add_model_arguments(parser: FlagParser):
    """One flag --model.ENTRY for each entry of `GReFELConfig`; its value is read as YAML."""
    group = parser.add_argument_group(
        "entries of GReFELConfig (grefel_hf/model/configuration_grefel.py explains them)",
        "They override the recipe's `model`, and that the entries of --size or of --model_name_or_path. "
        "Lists are written '[8, 4, 2]'.",
    )
    for name in MODEL_ENTRIES:
        group.add_argument(f"--{MODEL_PREFIX}{name}", type=yaml_value, default=argparse.SUPPRESS, metavar="VALUE")
    parser.scopes["model"] = Scope.RUN  # the whole configuration is compared instead


def parse_with_recipe(parser: FlagParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """
    Parse flags with the defaults taken from the YAML file that `--config` names (the parser must have that flag).

    A recipe may hold a mapping `model`, the entries of `GReFELConfig` that differ from the size's. With those of the
    flags --model.ENTRY over them it becomes the dict `model` of the result.

    Exits with the parser's usual message for a file that cannot be read, for a key that is no flag and for a value
    that its flag would not take.
    """
    config = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    config.add_argument("--config")
    path = config.parse_known_args(argv)[0].config
    recipe = read_recipe(parser, path) if path else {}
    model = dict(recipe.pop("model", None) or {})
    for key in recipe:
        parser.flags[key].required = False
    parser.set_defaults(**recipe)
    args = parser.parse_args(argv)
    for key in [key for key in vars(args) if key.startswith(MODEL_PREFIX)]:
        model[key.removeprefix(MODEL_PREFIX)] = getattr(args, key)
        delattr(args, key)
    args.model = model
    return args


def read_recipe(parser: FlagParser, path: str) -> dict[str, Any]:
    """The keys of one recipe, each checked by the flag of its name."""
    try:
        recipe = yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        parser.error(f"cannot read the recipe {path}: {error}")
    if not isinstance(recipe, dict) or not isinstance(recipe.get("model") or {}, dict):
        parser.error(f"{path} must map flags to values, and `model` entries of GReFELConfig to values")
    # Those without a default are --help and --model.ENTRY.
    flags = {name: flag for name, flag in parser.flags.items() if flag.default is not argparse.SUPPRESS}
    unknown = sorted(map(str, set(recipe) - set(flags) - {"model"}))
    if unknown:
        parser.error(f"{path} has keys that are no flags: {', '.join(unknown)}")
    model = recipe.get("model") or {}
    unknown = sorted(map(str, set(model) - set(MODEL_ENTRIES)))
    if unknown:
        parser.error(f"{path} has entries under `model` that GReFELConfig does not have: {', '.join(unknown)}")
    for key, value in recipe.items():
        try:
            recipe[key] = {k: number(v) for k, v in model.items()} if key == "model" else as_flag(flags[key], value)
        except (argparse.ArgumentTypeError, TypeError, ValueError) as error:
            parser.error(f"{path}: {key} cannot be {value!r}: {error}")
    return recipe


def as_flag(action: argparse.Action, value: Any) -> Any:
    """A recipe's value as the flag reads it: YAML takes 3e-4 for text, and the flag's type settles what was meant."""
    if value is None:
        return None
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError("it must be true or false")
        return value
    if action.nargs in ("+", "*"):
        if not isinstance(value, list):
            raise ValueError("it must be a list")
        return [as_text(action, entry) for entry in value]
    return as_text(action, value)


def as_text(action: argparse.Action, value: Any) -> Any:
    converted = (action.type or str)(str(value))
    if action.choices is not None and converted not in action.choices:
        raise ValueError(f"choose one of {', '.join(map(str, action.choices))}")
    return converted


def yaml_value(text: str) -> Any:
    try:
        return number(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no YAML value") from error


def number(value: Any) -> Any:
    """Text that is a number, as 1e-5 is to YAML, becomes one."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
