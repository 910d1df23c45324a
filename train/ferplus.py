"""
FER+ (Barsoum et al., 2016): faces of FER2013 with the votes of ten taggers each, and its official protocols.

The votes are MIT-licensed (microsoft/FERPlus on GitHub). The photographs were gathered by web search for FER2013
(Kaggle, "Challenges in Representation Learning: Facial Expression Recognition Challenge"): research use, not to be
redistributed.
"""

from pathlib import Path

import numpy as np
from datasets import Dataset, load_dataset

# The first eight of the ten vote columns; the last two are "unknown" and "not a face".
EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
PROTOCOLS = ("majority", "probability")


def without_single_votes(votes: np.ndarray) -> np.ndarray:
    """Votes (..., 10) with every class that one tagger alone chose set to 0: the official outlier rule."""
    return np.where(votes > 1, votes, 0)


def majority_labels(votes: np.ndarray) -> np.ndarray:
    """
    Official "majority" protocol.

    Args:
        votes: (M, 10) counts.

    Returns:
        (M,) the emotion that holds more than half of the votes left after the outlier rule, or -1: such an image is
        not part of the protocol.
    """
    votes = without_single_votes(votes)
    top = votes.argmax(-1)
    wins = (votes.max(-1) * 2 > votes.sum(-1)) & (top < len(EMOTIONS))
    return np.where(wins, top, -1)


def vote_distributions(votes: np.ndarray) -> np.ndarray:
    """
    Official "probability" protocol.

    Args:
        votes: (M, 10) counts.

    Returns:
        (M, 8) votes for the emotions after the outlier rule, as fractions; a row of zeros where no emotion is on
        top: such an image is not part of the protocol.
    """
    votes = without_single_votes(votes)
    emotions = votes[:, : len(EMOTIONS)].astype(np.float32)
    on_top = (votes.argmax(-1) < len(EMOTIONS)) & (votes.sum(-1) > 0)
    return np.where(on_top[:, None], emotions / np.maximum(emotions.sum(-1, keepdims=True), 1.0), 0.0)


def load_ferplus(data_dir: str | Path, split: str, protocol: str) -> Dataset:
    """
    One split of FER+ under a protocol.

    Args:
        data_dir: folder of parquet files with the columns `image`, `votes` (10 counts) and, where known,
            `duplicate_of`.
        split: "train" or "validation".
        protocol: "majority" (column `label`, class ids) or "probability" (column `distribution`, 8 fractions).

    Returns:
        The images of the protocol in their order, with the protocol's column added.

    Raises:
        FileNotFoundError: if the folder does not exist or holds no such split.
        ValueError: for an unknown protocol or a missing column.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"Unknown protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}.")
    files = sorted(str(f) for f in Path(data_dir).glob(f"{split}-*.parquet"))
    if not files:
        raise FileNotFoundError(f"{data_dir} holds no {split}-*.parquet; point --dataset_dir at the FER+ folder.")
    data = load_dataset("parquet", data_files={split: files}, split=split)
    missing = {"image", "votes"} - set(data.column_names)
    if missing:
        raise ValueError(f"{files[0]} has no column {', '.join(sorted(missing))}; it has {data.column_names}.")
    votes = np.asarray(data["votes"])
    if protocol == "majority":
        labels = majority_labels(votes)
        kept = np.flatnonzero(labels >= 0)
        return data.select(kept).add_column("label", labels[kept].tolist())
    distributions = vote_distributions(votes)
    kept = np.flatnonzero(distributions.sum(-1) > 0)
    return data.select(kept).add_column("distribution", distributions[kept].tolist())
