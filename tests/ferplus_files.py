"""Made-up FER+ files: noise images in the real layout."""

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
