"""Every class has a colour."""

import pytest

from grefel_hf.palette import class_colours
from tests.helpers.face_examples import LABELS


def test_class_colours_are_fixed_and_distinct():
    colours = class_colours(LABELS)
    assert len(set(colours.values())) == 8
    assert class_colours(("happy", "sad"))["happy"] == colours["happiness"]
    assert class_colours(tuple(reversed(LABELS))) == colours


@pytest.mark.parametrize("count", [3, 8, 12])
def test_unknown_classes_get_colours_too(count):
    labels = tuple(f"class {i}" for i in range(count))
    colours = class_colours(labels)
    assert set(colours) == set(labels)
    assert len(set(colours.values())) == min(count, 8)
