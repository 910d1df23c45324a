"""Crops without a face: of every kind, as large as FER+'s, the same for the same seed."""

import numpy as np
import pytest
from PIL import Image

from grefel_train.reliability.no_faces import SIDE, SPOILT, TEXTURES, no_faces, sample_photos
from grefel_train.reliability.practice import PRACTICE, photos_of_things, practice


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


def test_the_score_practises_on_other_photos_and_by_other_means():
    shown = {photo.tobytes() for photo in photos_of_things()}
    assert len(shown) == len(photos_of_things()) and not shown & {photo.tobytes() for photo in sample_photos()}
    assert not {make.__name__ for make in PRACTICE} & set(no_faces([face()], 1, 0))


def test_what_it_practises_on_is_of_the_same_size_and_follows_the_seed():
    made, again, others = (practice([face()], 12, seed, photos_of_things()[:2]) for seed in (0, 0, 1))
    assert set(made) == {make.__name__ for make in PRACTICE}
    for kind, images in made.items():
        assert len(images) == 12 and all(image.size == (SIDE, SIDE) and image.mode == "RGB" for image in images)
        assert [image.tobytes() for image in images] == [image.tobytes() for image in again[kind]]
        assert [image.tobytes() for image in images] != [image.tobytes() for image in others[kind]]


@pytest.mark.parametrize("make", [practised for practised in PRACTICE if practised.__name__ != "ruined"])
def test_much_of_the_face_is_gone_to_practise_on(make):
    photos, before = photos_of_things()[:2], np.asarray(face(), int)
    for seed in range(5):
        after = np.asarray(make(face(), photos, np.random.default_rng(seed)), int)
        assert (abs(before - after) <= 2).mean() < 0.7
