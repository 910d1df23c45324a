"""Made-up FER+ files: noise images in the real layout."""

import csv
from pathlib import Path

import numpy as np
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as PILImage

FEATURES = Features(
    {"image": Image(), "name": Value("string"), "votes": List(Value("int8")), "duplicate_of": Value("string")}
)


def write_ferplus(folder: Path, split: str, votes: np.ndarray, seed: int = 0):
    """One parquet file of 48x48 grey images with these votes (M, 10); an image's brightness tells its top vote."""
    random = np.random.default_rng(seed)
    brightness = 20 * votes.argmax(-1)[:, None, None]
    pixels = (brightness + random.integers(0, 20, (len(votes), 48, 48))).astype(np.uint8)
    rows = {
        "image": [PILImage.fromarray(image) for image in pixels],
        "name": [f"{i}.png" for i in range(len(votes))],
        "votes": votes.tolist(),
        "duplicate_of": [None] * len(votes),
    }
    Dataset.from_dict(rows, features=FEATURES).to_parquet(folder / f"{split}-00000-of-00001.parquet")


def write_ferplus_csv(folder: Path, rows: list[tuple[str, str, list[int], int]]):
    """
    The two official files. A row is its usage, its image name ("" where FER+ has dropped it), its 10 votes, and the
    grey of all its pixels.
    """
    with (
        open(folder / "fer2013.csv", "w", newline="") as faces,
        open(folder / "fer2013new.csv", "w", newline="") as new,
    ):
        face_rows, vote_rows = csv.writer(faces), csv.writer(new)
        face_rows.writerow(["emotion", "pixels", "Usage"])
        emotions = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
        vote_rows.writerow(["Usage", "Image name", *emotions, "unknown", "NF"])
        for usage, name, votes, brightness in rows:
            face_rows.writerow([0, " ".join([str(brightness)] * 48 * 48), usage])
            vote_rows.writerow([usage, name, *votes])
