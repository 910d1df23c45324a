"""Recipes: YAML files whose keys are the flags of a script, overridden by the flags that are given."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml


def parse_with_recipe(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """
    Parse flags with the defaults taken from the YAML file that `--config` names (the parser must have that flag).

    A recipe may hold a mapping `model`, the entries of `GReFELConfig` that differ from the size's; it is kept as a
    dict in the result's `model`.

    Exits with the parser's usual message for a file that cannot be read and for a key that is no flag.
    """
    config = argparse.ArgumentParser(add_help=False)
    config.add_argument("--config")
    path = config.parse_known_args(argv)[0].config
    recipe = read_recipe(parser, path) if path else {}
    parser.set_defaults(model=recipe.pop("model", {}), **recipe)
    return parser.parse_args(argv)


def read_recipe(parser: argparse.ArgumentParser, path: str) -> dict:
    """The keys of one recipe, checked against the parser's flags and their types."""
    try:
        recipe = yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        parser.error(f"cannot read the recipe {path}: {error}")
    flags = {action.dest: action for action in parser._actions}
    unknown = sorted(set(recipe) - set(flags) - {"model"})
    if unknown:
        parser.error(f"{path} has keys that are no flags: {', '.join(unknown)}")
    for key, value in recipe.items():
        action = flags.get(key)
        # YAML reads 3e-4 as text; a flag's own type settles what was meant.
        if action is not None and action.type is not None and value is not None:
            recipe[key] = action.type(value)
    return recipe
