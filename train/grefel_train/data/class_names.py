"""The classes of a model, and which of two sets are the same, though they are spelled otherwise."""

import re
import unicodedata
from collections.abc import Sequence

from grefel_hf import GReFELConfig

# Other words for the classes of the published sets, folded; in English and in German.
ALIASES = {
    "anger": ("angry", "wut", "wütend", "ärger", "zorn"),
    "contempt": ("contemptuous", "verachtung"),
    "disgust": ("disgusted", "ekel"),
    "fear": ("fearful", "afraid", "scared", "angst"),
    "happiness": ("happy", "joy", "joyful", "freude", "glück", "glücklich", "fröhlich"),
    "neutral": ("neutrality", "no expression"),
    "sadness": ("sad", "trauer", "traurig", "traurigkeit"),
    "surprise": ("surprised", "überraschung", "überrascht"),
}
MEANING = {alias: name for name, aliases in ALIASES.items() for alias in aliases}


def class_names(config: GReFELConfig) -> tuple[str, ...]:
    """In the order of the outputs."""
    return tuple(config.id2label[index] for index in range(config.num_labels))


def folded(name) -> str:
    """A class name without what is written this way and that: case, spaces, and accents, which macOS keeps apart."""
    return unicodedata.normalize("NFC", " ".join(str(name).split())).casefold()


def meaning(name: str) -> str:
    """A folded name by the word of the published sets, without a number before it: "03_Happy" is "happiness"."""
    word = re.sub(r"^\d+[\s._-]+", "", folded(name)).replace("_", " ")
    return MEANING.get(word, word)


def same_classes(names: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """
    For each of `names` its position in `known`: that of the same spelling, else of one that differs in case and spaces,
    else of another word for it; None where there is none. No two get the same one: the closest spelling does, or the
    first.
    """
    found: list[int | None] = [None] * len(names)
    for form in (str, folded, meaning):
        positions = {form(name): index for index, name in reversed(list(enumerate(known)))}
        for index, name in enumerate(names):
            position = positions.get(form(name))
            if found[index] is None and position not in found:
                found[index] = position
    return found


def describe_classes(names: Sequence[str], known: Sequence[str]) -> str:
    """Which classes a checkpoint knows, under which names, which start new, and which it loses; a line each."""
    found = same_classes(names, known)
    kept = [
        name if known[index] == name else f"{name} (as {known[index]})"
        for name, index in zip(names, found)
        if index is not None
    ]
    new = [name for name, index in zip(names, found) if index is None]
    dropped = [name for index, name in enumerate(known) if index not in found]
    lines = (("kept", kept), ("new", new), ("dropped", dropped))
    return "Classes of the checkpoint:\n" + "\n".join(f"  {what:8} {', '.join(which) or '-'}" for what, which in lines)


def parse_pairs(pairs: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """
    What --label_map says: for classes of the data their other names, "" for those to leave out.

    Raises:
        ValueError: a pair that cannot be read or names no class of the data.
    """
    given = {}
    for pair in pairs:
        source, equals, target = (part.strip() for part in pair.partition("="))
        if not equals or source not in names:
            raise ValueError(
                f"--label_map {pair!r}: write DATA=MODEL, or DATA= to leave a class out; classes of the data are "
                f"{', '.join(names)}."
            )
        given[source] = target
    return given
