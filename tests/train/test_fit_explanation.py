"""What a network usually does with a face: the arithmetic, and the script on a tiny model."""

import numpy as np
import pytest

import fit_explanation
from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.explanation import load_explanation
from grefel_train.explanation import anchor_map, planar_layout
from tests.helpers.tiny import LABELS, tiny_config
from tests.helpers.training_runs import write_faces


def test_points_of_a_plane_keep_their_distances():
    points = np.random.default_rng(0).normal(size=(12, 2)) @ np.random.default_rng(1).normal(size=(2, 5))
    places = planar_layout(points, np.ones(12))
    before, after = (np.linalg.norm(p[:, None] - p, axis=-1)[np.triu_indices(12, 1)] for p in (points, places))
    assert after / before == pytest.approx(np.full(66, (after / before).mean()), rel=1e-3)
    assert abs(places).max() == pytest.approx(1)


def test_used_points_lie_inside_and_unused_ones_around_them():
    points = np.random.default_rng(0).normal(size=(30, 64))  # all about as far from each other
    use = np.zeros(30)
    use[:5] = 0.2
    radius = np.linalg.norm(planar_layout(points, use), axis=1)
    assert radius[:5].max() < radius[5:].min()


def test_an_anchor_stands_for_the_labels_of_the_faces_near_it():
    similarities = np.zeros((4, 2, 2))
    similarities[:3, 0, 1], similarities[3, 1, 0] = 1.0, 1.0
    people = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    found = anchor_map(np.random.default_rng(0).normal(size=(2, 2, 8)), similarities, people)
    assert found.use.tolist() == [[0.0, 0.75], [0.25, 0.0]]
    assert found.meant[0, 1] == pytest.approx([5 / 6, 1 / 6]) and found.meant[1, 0] == pytest.approx([0, 1])
    assert (found.meant[0, 0] == 0).all() and found.agreement == 1


@pytest.mark.parametrize("parts", [True, False])
def test_a_checkpoint_gets_its_file(tmp_path, parts):
    model = GReFELForImageClassification(tiny_config(use_anchors=parts, use_attentive_correction=parts))
    model.save_pretrained(tmp_path / "model")
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path / "model")
    data = ["--train_dir", str(write_faces(tmp_path / "faces", 40, tuple(LABELS))), "--validation_fraction", "0.3"]
    words = ["--model", str(tmp_path / "model"), *data, "--calibration_fraction", "0.5", "--runtime", "torch"]
    fit_explanation.main(fit_explanation.parse_args(words))
    found = load_explanation(tmp_path / "model", LABELS)
    assert found.faces == 13 and (found.anchors is not None) == (found.attention is not None) == parts
    if parts:
        assert found.attention.sum() == pytest.approx(1, abs=1e-4) and found.anchors.places.shape == (3, 3, 2)


def test_images_that_were_trained_on_are_refused(tmp_path):
    data = ["--train_dir", str(write_faces(tmp_path / "faces", 12, tuple(LABELS))), "--validation_fraction", "0"]
    model = GReFELForImageClassification(tiny_config())
    model.save_pretrained(tmp_path / "model")
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path / "model")
    with pytest.raises(SystemExit, match="--calibration_fraction must be that of the training run"):
        fit_explanation.main(fit_explanation.parse_args(["--model", str(tmp_path / "model"), *data]))
