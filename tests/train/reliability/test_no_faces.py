"""Crops without a face: of every kind, as large as FER+'s, the same for the same seed."""

import numpy as np
import pytest
from PIL import Image

from grefel_train.reliability.no_faces import SIDE, SPOILT, TEXTURES, no_faces, photos_of_things, sample_photos


def face() -> Image.Image:
    """Greys that tell every place from its neighbours."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return Image.fromarray(((7 * rows + 5 * columns) % 256).astype(np.uint8)).convert("RGB")


def test_every_kind_is_there_and_follows_the_seed():
    made, again, others = (no_faces([face()], 5, seed) for seed in (0, 0, 1))
    assert set(made) == {"texture", "patch", *(spoil.__name__ for spoil in SPOILT)}
    for kind, images in made.items():
        assert len(images) == 5 and all(image.size == (SIDE, SIDE) and image.mode == "RGB" for image in images)
        assert [image.tobytes() for image in images] == [image.tobytes() for image in again[kind]]
        assert [image.tobytes() for image in images] != [image.tobytes() for image in others[kind]]


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("seed", range(3))
def test_little_of_the_face_is_where_it_was(spoil, seed):
    before, after = np.asarray(face(), int), np.asarray(spoil(face(), np.random.default_rng(seed)), int)
    assert (abs(before - after) <= 2).mean() < 0.5


@pytest.mark.parametrize("make", TEXTURES)
def test_textures_are_finite(make):
    for seed in range(5):
        assert np.isfinite(make(np.random.default_rng(seed))).all()


def test_the_photos_are_at_hand_and_those_of_evaluation_are_others():
    shown = {photo.tobytes() for photo in photos_of_things()}
    assert len(shown) == len(photos_of_things()) and not shown & {photo.tobytes() for photo in sample_photos()}
