"""train/audit.py on a tiny model: planted errors are found, and decisions make a set that training reads."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import audit
from grefel_hf.faces.hog import HogDetector
from grefel_hf.reliability import Answerability
from tests.helpers.face_tables import load
from tests.helpers.training_runs import CLASSES, write_faces


@pytest.fixture(scope="module")
def folder(tmp_path_factory, astronaut):
    """Splits of class folders: a face under another class's name, a copy under another, a portrait in both splits."""
    folder = tmp_path_factory.mktemp("audit") / "faces"
    write_faces(folder / "train", 60)
    write_faces(folder / "validation", 15)
    train = folder / "train"
    (train / "anger" / "0.png").rename(train / "neutral" / "planted.png")
    (train / "anger" / "copy.png").write_bytes((train / "happiness" / "1.png").read_bytes())
    face = astronaut.crop((160, 20, 290, 190))
    face.save(train / "happiness" / "portrait.png")
    face.save(folder / "validation" / "happiness" / "portrait.png")
    return folder


def words(folder, model, out, *more) -> list[str]:
    data = ["--dataset_dir", folder, "--model", model, "--output_dir", out, "--detector", "hog"]
    return list(map(str, [*data, "--batch_size", 16, *more]))


@pytest.fixture(scope="module")
def found(folder, tiny_checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp("found")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HogDetector, "search_sides", (320, 640))  # faces fill these crops: no search for small ones
        audit.main(audit.parse_args(words(folder, tiny_checkpoint, out)))
    return out


def test_a_planted_label_is_among_the_likeliest_to_be_wrong(found):
    suspects = pd.read_csv(found / "suspects.csv")
    first = suspects.head(2).set_index("file")  # the other is the copy under another name
    (planted,) = [row for file, row in first.iterrows() if file.endswith("planted.png")]
    assert (planted["kind"], planted["given"]) == ("label", "neutral") and planted["proposed"] != "neutral"
    assert planted["probability_wrong"] > 0.5 and f"suggest {planted['proposed']}" in planted["reason"]
    shares = suspects[[f"probability_{name}" for name in CLASSES]]
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-3)


def test_copies_are_told_with_their_other_labels(found):
    suspects = pd.read_csv(found / "suspects.csv")
    reasons = " ".join(suspects["reason"])
    assert "1.png is the same picture, labelled happiness." in reasons
    assert "copy.png is the same picture, labelled anger." in reasons
    pairs = pd.read_csv(found / "pairs.csv")
    exact = pairs[pairs["kind"] == "exact"]
    assert sorted(zip(exact["labels_differ"], exact["splits_differ"])) == [(False, True), (True, False)]


def test_images_without_a_face_are_told_and_a_portrait_is_none(found):
    suspects = pd.read_csv(found / "suspects.csv").set_index("file")
    without = suspects["reason"].str.contains("No face was found")
    assert without.any() and not any("portrait" in file for file in suspects[without].index)


@pytest.mark.parametrize(("threshold", "asked"), [(0.4, False), (0.6, True)])
def test_the_detector_is_asked_about_what_the_model_cannot_read(
    threshold, asked, tiny_checkpoint, tmp_path, monkeypatch
):
    write_faces(tmp_path / "faces", 15)
    scores_half = Answerability(("embedding",), np.zeros(32), np.ones(32), np.zeros(32), 0.0, threshold, threshold)
    monkeypatch.setattr(audit, "load_reliability", lambda *_: SimpleNamespace(answerability=scores_half))
    monkeypatch.setattr(audit, "create_detector", lambda _: SimpleNamespace(detect=lambda _: []))
    audit.main(audit.parse_args(words(tmp_path / "faces", tiny_checkpoint, tmp_path / "out")))
    reasons = pd.read_csv(tmp_path / "out" / "suspects.csv")["reason"].str.cat()
    assert ("No face was found" in reasons) == asked


def test_the_page_stands_alone(found):
    text = (found / "audit.html").read_text()
    assert "planted.png" in text and "In several splits" in text and "data:image/jpeg;base64," in text
    assert 'src="http' not in text and "href=" not in text.replace("link.href", "")


def test_decisions_make_a_set_that_training_reads(found, folder, tiny_checkpoint, tmp_path, capsys):
    suspects = pd.read_csv(found / "suspects.csv")
    decisions = suspects[["split", "row", "file", "given"]].assign(decision="keep", label="").head(3)
    planted = decisions["file"].str.endswith("planted.png")
    decisions.loc[planted, ["decision", "label"]] = ["change", "anger"]
    decisions.to_csv(tmp_path / "decisions.csv", index=False)
    flags = words(folder, tiny_checkpoint, tmp_path / "new", "--apply", tmp_path / "decisions.csv")
    audit.main(audit.parse_args(flags))
    assert "78 images, 1 labels changed, 0 left out" in capsys.readouterr().out
    data = load("--dataset_name", tmp_path / "new" / "labels")
    rows = [row for row in data.train if "planted" in row["image"].filename]
    assert [data.label_names[row["label"]] for row in rows] == ["anger"]
    with pytest.raises(SystemExit, match="Cannot audit: .*labels exists"):
        audit.main(audit.parse_args(flags))


def test_a_table_is_read_as_training_reads_it(folder, tiny_checkpoint, tmp_path):
    rows = [(str(path), path.parent.name) for path in sorted(folder.glob("train/*/*.png"))[::3]]
    pd.DataFrame(rows, columns=["photo", "mood"]).to_csv(tmp_path / "table.csv", index=False)
    flags = ["--image_column_name", "photo", "--label_column_name", "mood", "--detector", "none"]
    audit.main(audit.parse_args([*words(tmp_path / "table.csv", tiny_checkpoint, tmp_path / "out"), *flags]))
    assert "no face" not in set(pd.read_csv(tmp_path / "out" / "suspects.csv")["kind"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split", "test"], "no split 'test'"),
        (["--model", "no/such/model"], "no/such/model"),
        (["--apply", "nowhere.csv"], "nowhere.csv"),
        (["--dataset_format", "rafdb"], "point --dataset_dir at"),
    ],
)
def test_what_does_not_work_is_one_sentence(flags, message, folder, tiny_checkpoint, tmp_path):
    with pytest.raises(SystemExit, match=f"Cannot audit: .*{message}"):
        audit.main(audit.parse_args(words(folder, tiny_checkpoint, tmp_path / "out", *flags)))


def test_a_bad_image_is_named_or_passed_over(folder, tiny_checkpoint, tmp_path):
    write_faces(tmp_path / "faces", 30)
    (tmp_path / "faces" / "anger" / "0.png").write_bytes(b"no picture")
    flags = words(tmp_path / "faces", tiny_checkpoint, tmp_path / "out", "--detector", "none")
    with pytest.raises(SystemExit, match="Cannot audit: Cannot read .*0.png"):
        audit.main(audit.parse_args(flags))
    audit.main(audit.parse_args([*flags, "--on_bad_image", "skip"]))
    assert not pd.read_csv(tmp_path / "out" / "suspects.csv")["file"].str.endswith("anger/0.png").any()


def test_flags_that_make_no_sense_are_refused(capsys):
    for flags in (["--min_probability", "1.5"], ["--max_shown", "0"]):
        with pytest.raises(SystemExit):
            audit.parse_args(["--dataset_dir", "x", "--output_dir", "y", *flags])
    assert "0 is below 1" in capsys.readouterr().err
