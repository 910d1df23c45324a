"""The page's examples: they show what they are said to show, are small, and each says its licence."""

import pytest

from space.examples.make_examples import CLAIMS, FOLDER, holds
from space.tabs.photo.examples import CLIP, example_file, examples

MOST_BYTES = 1_000_000


@pytest.mark.parametrize("example", examples(), ids=lambda example: example["file"])
def test_an_example_shows_what_it_is_said_to_show(example, predictor):
    """Weights have changed? `python -m space.examples.make_examples` chooses anew."""
    picture = (FOLDER / example["file"]).read_bytes()
    faces = predictor(picture).faces
    if example["shows"]:
        assert holds(example["shows"], picture, predictor)
    elif example["file"] == "group.jpg":
        assert len(faces) > 2
    elif example["file"] != "turned.jpg":  # which HOG may miss
        assert len(faces) == 1 and faces[0].turn == 0


def test_claims_are_told_apart(predictor, astronaut_file):
    """Of a plain smile none is true."""
    content = astronaut_file.read_bytes()
    assert [claim for claim in CLAIMS if holds(claim, content, predictor)] == []


def test_they_are_small_and_have_licences():
    files = [file for file in FOLDER.iterdir() if file.suffix in (".jpg", ".mp4")]
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    assert {file.name for file in files} - {CLIP.name} == {example["file"] for example in examples()}
    readme = (FOLDER / "README.md").read_text()
    assert all(name in readme for name in ("eileen_collins.jpg", "grace_hopper.jpg", "public domain"))


def test_nothing_else_is_opened_as_an_example():
    assert example_file("../page.py") is None and example_file(None) is None
