"""Timing things against each other, and figures as tables."""

import argparse
import time
from collections.abc import Callable
from statistics import median

from rich.console import Console
from rich.table import Table

# A network's threads wait busily for a while after a call, which would cost the next network's.
PAUSE = 0.05


def positive(text: str) -> int:
    """The type of a flag that counts."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return int(text)


def race(actions: dict[str, Callable[[], object]], rounds: int = 5, calls: int = 4) -> dict[str, float]:
    """
    Milliseconds of each action: medians over all rounds.

    In a round each action runs `calls` times in a row, so that whatever else the machine does slows all of them.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()
    for _ in range(rounds):
        for name, action in actions.items():
            time.sleep(PAUSE)
            action()
            for _ in range(calls):
                start = time.perf_counter()
                action()
                times[name].append(time.perf_counter() - start)
    return {name: 1000 * median(values) for name, values in times.items()}


def print_figures(title: str, figures: dict[str, float], old: dict[str, float] | None = None):
    """One line per figure, beside that of another run and their ratio where given."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("", min_width=44)
    for column in ("now", *(["then", "now / then"] if old is not None else [])):
        table.add_column(column, justify="right")
    for name, value in figures.items():
        cells = [f"{value:.2f}"]
        if old is not None:
            before = old.get(name)
            cells += ["", ""] if before is None else [f"{before:.2f}", f"{value / before:.2f}" if before else ""]
        table.add_row(name, *cells)
    console = Console()
    console.print(table)
    console.print()
