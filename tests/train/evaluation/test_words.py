"""Figures in words say what they are, and what may be chance."""

import pytest

from grefel_train.evaluation.words import between, decimal, percent, points, reliability_points

SUMMARY = {
    "samples": 500,
    "accuracy": 0.8766,
    "accuracy_interval": [0.85, 0.9012],
    "macro_recall": 0.7,
    "expected_calibration_error": 0.0214,
    "overconfidence": -0.0111,
    "overconfidence_interval": [-0.02, -0.001],
    "accuracy_at_coverage_80": 0.95,
    "accuracy_change_by_balancing": -0.002,
    "accuracy_change_interval": [-0.006, 0.002],
    "macro_recall_change_by_balancing": 0.02,
    "macro_recall_change_interval": [0.01, 0.03],
    "labels_changed": 1068,
    "mended": 27,
    "spoilt": 34,
    "weakest_class": "fear",
    "weakest_recall": 0.5,
    "weakest_interval": [0.2, 0.8],
    "weakest_support": 16,
}
ROBUSTNESS = {
    "samples": 100,
    "by_kind": {"blur": [], "low_resolution": []},
    "summary": {
        "clean_accuracy": 0.9,
        "mean_accuracy": 0.7,
        "worst": "low_resolution",
        "worst_mean_accuracy": 0.6,
        "worst_accuracy_at_5": 0.2,
    },
}


def test_every_figure_is_said_with_its_interval():
    accuracy, calibration, coverage, balancing, weakest, disturbance = reliability_points(
        {"summary": SUMMARY, "robustness": ROBUSTNESS}
    )
    assert "87.7 %" in accuracy and "85.0 to 90.1 %" in accuracy
    assert "2.1 points" in calibration and "0.021" in calibration and "1.1 points too modest" in calibration
    assert "95.0 %" in coverage
    assert "1,068 answers" in balancing and "27 errors mended, 34 right answers spoilt" in balancing
    assert "−0.2 points (−0.6 to +0.2), which may be chance" in balancing
    assert balancing.endswith("by +2.0 (+1.0 to +3.0).")
    assert "fear, of whose 16 images it recognises 50 % (20.0 to 80.0)" in weakest
    assert "of 2 disturbances**: low resolution" in disturbance
    for share in ("60.0 %", "20.0 %", "90.0 %", "70.0 %", "100 images"):
        assert share in disturbance


@pytest.mark.parametrize(("left", "told"), [(441, True), (500, False)])
def test_accuracy_is_told_without_copies_where_there_are_some(left, told):
    plain = {"without_duplicates": {"corrected": {"samples": left, "accuracy": 0.8512, "macro_recall": 0.5178}}}
    first = reliability_points({"summary": SUMMARY, "plain": plain})[0]
    assert ("on 85.1 % of the 441 images that repeat no earlier one" in first) == told
    assert (f"macro recall is 0.518 instead of {SUMMARY['macro_recall']:.3f}." in first) == told


def test_what_reliability_json_promises_and_keeps():
    sets = {"coverage": 0.904, "mean_size": 1.254}
    certainty = {"prediction_sets": {"0.9": sets}, "expected_calibration_error": 0.0121}
    assert "hold it of 90.4 %, with 1.25 labels" in reliability_points({"summary": SUMMARY, "certainty": certainty})[-1]
    rejection = {"faces_answered": 0.975, "no_faces_answered": 0.04, "no_faces": 372}
    *_, told, refused = reliability_points({"summary": SUMMARY, "certainty": certainty | {"rejection": rejection}})
    assert "off by 1.2 points" in told and "2.5 % of the faces and of 96.0 % of 372 crops" in refused


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ([-0.01, 0.01], "neither too sure nor too modest"),
        ([0.01, 0.03], "2.0 points too sure"),
        ([-0.19, 0.03], "too sure or too modest on the whole, so few images do not show"),
    ],
)
def test_what_chance_could_do_is_no_overconfidence(bounds, words):
    summary = SUMMARY | {"overconfidence": 0.02, "overconfidence_interval": bounds}
    assert words in reliability_points({"summary": summary})[1]


def test_without_intervals_and_disturbances_nothing_is_made_up():
    summary = {key: None if key.endswith("interval") else value for key, value in SUMMARY.items()}
    texts = reliability_points({"summary": summary | {"weakest_support": 1}})
    assert len(texts) == 5
    assert not any(word in text for text in texts for word in ("might", "chance", " to +", "None"))
    assert "of whose 1 image it" in texts[4]


def test_numbers():
    assert percent(0.12345) == "12.3 %" and percent(0.12345, 2) == "12.35 %" and percent(None) == "–"
    assert points(-0.012) == "−1.2" and points(-0.012, signed=False) == "1.2"
    assert decimal(-0.5, 1) == "−0.5" and decimal(None) == "–"
    assert between([0.1, 0.2], "decimal") == "0.100 to 0.200" and between([None, None]) == ""


def test_confidence_that_tells_nothing_is_not_praised():
    summary = SUMMARY | {"accuracy": 0.417, "accuracy_at_coverage_80": 0.4}
    assert reliability_points({"summary": summary})[2].startswith("**It does not know when it is unsure**")


def test_what_few_images_do_not_show_is_not_claimed():
    recalls = {"anger": 0.8, "fear": 0.5, "sadness": 0.5}
    few = {"summary": SUMMARY | {"accuracy_at_coverage_80": 0.89}, "plain": {"corrected": {"recall_by_class": recalls}}}
    _, _, knows, _, weakest = reliability_points(few)
    assert knows.startswith("**Whether it knows when it is unsure** these images do not show: of the 80 %")
    assert weakest.endswith("50 % (20.0 to 80.0); sadness the same.")


def test_one_is_no_plural():
    words = " ".join(reliability_points({"summary": SUMMARY | {"mended": 1, "spoilt": 1, "labels_changed": 1}}))
    assert "1 answer: 1 error mended, 1 right answer spoilt." in words
