"""Wrong labels, of the kinds that heads are compared under."""

import re
from dataclasses import dataclass

import numpy as np

TAGGER = "tagger"


@dataclass(frozen=True)
class Noise:
    """
    As the command line names it: `0.2` for a share of labels that are any other class, each as often; `confused-0.2`
    for other classes as often as taggers take images of the right one for them; `tagger` for the vote of one tagger,
    drawn for each image.
    """

    share: float = 0.0
    kind: str = ""

    @classmethod
    def parse(cls, text: str) -> "Noise":
        """Raises ValueError for what names none."""
        if text == TAGGER:
            return cls(kind=TAGGER)
        found = re.fullmatch(r"(?:(confused)-)?(0|0?\.\d+)", text)
        if not found:
            raise ValueError(f"--noise takes shares below 1, confused-SHARE or {TAGGER}, not {text!r}.")
        return cls(float(found[2]), found[1] or "")

    def __str__(self) -> str:
        return self.kind if self.kind == TAGGER else f"{self.kind}-{self.share:g}".lstrip("-")

    @property
    def title(self) -> str:
        if self.kind == TAGGER:
            return "one tagger's vote"
        return f"{self.share:.0%} {self.kind or 'wrong'}"

    def labels(self, labels: np.ndarray, votes: np.ndarray | None, count: int, random: np.random.Generator):
        """
        Labels (M,) of which some are wrong.

        Args:
            labels: (M,) class ids.
            votes: (M, N) shares of the taggers' votes; None where nobody voted.
            count: N.

        Raises:
            ValueError: there are no votes, and the kind needs them.
        """
        if not self.kind:
            return wrong_labels(labels, self.share, count, random)[0]
        if votes is None:
            raise ValueError(f"--noise {self} needs images with votes, as FER+ has them in its split train.")
        if self.kind == TAGGER:
            return drawn(votes, random)
        confusion = np.stack([votes[labels == label].sum(0) for label in range(count)]) + 1e-3
        np.fill_diagonal(confusion, 0)
        wrong = random.choice(len(labels), round(self.share * len(labels)), replace=False)
        changed = labels.copy()
        changed[wrong] = drawn(confusion[labels[wrong]], random)
        return changed


def wrong_labels(
    labels: np.ndarray, share: float, num_labels: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (M,) of which a share is another class, each as often; and which are wrong, (M,) bool."""
    wrong = np.zeros(len(labels), bool)
    wrong[random.choice(len(labels), round(share * len(labels)), replace=False)] = True
    return np.where(wrong, (labels + random.integers(1, num_labels, len(labels))) % num_labels, labels), wrong


def drawn(weights: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(M,) a class for each row, by its weights (M, N)."""
    bounds = weights.cumsum(-1)
    return (random.random((len(weights), 1)) * bounds[:, -1:] >= bounds).sum(-1)
