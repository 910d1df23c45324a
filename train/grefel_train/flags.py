"""The parser of the scripts: flags that say of themselves how far what they are given reaches."""

import argparse
import difflib
import enum
from collections.abc import Callable, Sequence
from typing import Any


class Scope(enum.IntEnum):
    """How far a flag's value reaches. What is true of one is true of those after it, too."""

    WEIGHTS = 0  # shapes the weights: a resumed run must not differ in it
    RUN = 1  # watches, pauses, or names what is compared by what it is: a resumed run may differ in it
    MACHINE = 2  # where files lie and who is told: private, in no recipe that is pushed
    START = 3  # one start of the program: in no recipe at all
    SECRET = 4  # in no file at all


class FlagParser(argparse.ArgumentParser):
    """
    An ArgumentParser whose `add_argument`, that of its groups too, takes a `scope` (a flag shapes the weights where
    none is given). The description is printed as it is written.

    Attributes:
        flags: what argparse made of each flag, by its name in the parsed arguments.
        scopes: the scope of each.
    """

    def __init__(self, **options: Any):
        self.flags: dict[str, argparse.Action] = {}
        self.scopes: dict[str, Scope] = {}
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def add_argument(self, *names: str, scope: Scope = Scope.WEIGHTS, **options: Any) -> argparse.Action:
        return self.noted(super().add_argument(*names, **options), scope)

    def add_argument_group(self, *words: Any, **options: Any):
        group = super().add_argument_group(*words, **options)
        add = group.add_argument

        def add_argument(*names: str, scope: Scope = Scope.WEIGHTS, **options: Any) -> argparse.Action:
            return self.noted(add(*names, **options), scope)

        group.add_argument = add_argument
        return group

    def parse_args(self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None):
        """That of argparse, which says of an unknown flag which known one was meant."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            known = [option for flag in self.flags.values() for option in flag.option_strings]
            meant = [f"{near[0]}?" for word in unknown if (near := difflib.get_close_matches(word, known, 1))]
            hint = f" (did you mean {' '.join(meant)})" if meant else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found

    def error(self, message: str):
        """Without the list of all flags, under which the message is not seen."""
        self.exit(2, f"{self.prog}: error: {message}\n{self.prog} --help lists the flags.\n")

    def noted(self, flag: argparse.Action, scope: Scope) -> argparse.Action:
        self.flags[flag.dest], self.scopes[flag.dest] = flag, scope
        return flag


def at_least(low: float, kind: type) -> Callable[[str], float]:
    """A flag's type: a number that is not below `low`."""

    def number(text: str):
        value = kind(text)
        if value != value:
            raise argparse.ArgumentTypeError(f"{text} is no number")
        if value < low:
            raise argparse.ArgumentTypeError(f"{text} is below {low}")
        return value

    number.__name__ = kind.__name__  # argparse names it in its messages
    return number
