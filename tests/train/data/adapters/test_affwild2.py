"""Aff-Wild2 on a small tree in its real layout, with the label order of its files."""

import pytest

from grefel_train.data.adapters import affwild2
from grefel_train.data.splits import group_ids
from tests.helpers.adapter_trees import (
    names_of,
    write_affwild2,
)


def test_affwild2(tmp_path, caplog):
    train = {"12-24-1920x1080": [0, 1, 2, -1, 3], "video5_left": [4, 5, 6, 7]}
    write_affwild2(tmp_path, train, {"video9": [6, -1, 7]}, missing={("video5_left", 2)})
    # Later videos came in a folder of their own.
    (tmp_path / "cropped_aligned_new_50_vids").mkdir()
    (tmp_path / "cropped_aligned" / "video9").rename(tmp_path / "cropped_aligned_new_50_vids" / "video9")
    splits, label_names = affwild2.load(tmp_path)
    assert label_names == ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")
    found = names_of(splits["train"], label_names)
    assert found == ["neutral", "anger", "disgust", "fear", "happiness", "surprise", "other"]
    assert splits["train"]["group"] == ["12-24-1920x1080"] * 4 + ["video5_left"] * 3
    assert group_ids(splits["train"]).tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert names_of(splits["validation"], label_names) == ["surprise", "other"]
    assert "left out 1 without a label and 1 without a crop" in caplog.text


def test_affwild2_takes_the_order_from_the_files(tmp_path):
    write_affwild2(tmp_path, {"a": [0, 1]}, {"b": [0]})
    for file in tmp_path.glob("**/*_Set/*.txt"):
        file.write_text(
            file.read_text().replace("Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other", "Sadness,Joy")
        )
    assert affwild2.load(tmp_path).label_names == ("sadness", "joy")
    file.write_text(file.read_text().replace("Sadness,Joy", "Joy,Sadness"))
    with pytest.raises(ValueError, match="other files with"):
        affwild2.load(tmp_path)


def test_affwild2_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="no cropped_aligned/VIDEO"):
        affwild2.load(tmp_path)
    write_affwild2(tmp_path, {"a": [0, 8]}, {"b": [0]})
    with pytest.raises(ValueError, match=r"a\.txt, line 3: .*'8'"):
        affwild2.load(tmp_path)
