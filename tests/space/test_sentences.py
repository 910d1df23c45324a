"""The page's sentences: true for the case at hand, whatever parts the model has."""

import json

import numpy as np
import pytest

from grefel_hf.comparison import compare_balancing
from grefel_hf.faces.photos import AS_A_VIDEO
from grefel_hf.reliability import AccuracyMap, Reliability
from grefel_hf.results import FacePrediction
from space import sentences as wording
from space.measured import coverage_at, coverage_by_strictness, load_evaluation
from tests.helpers.evaluation_example import EVALUATION
from tests.helpers.face_examples import LABELS, anchors_near, confidence, distribution, face, photo
from tests.helpers.reliability_examples import reliability


def plain(text: str) -> str:
    """Without the spaces that do not break."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "0 %"),
        (1e-9, "< 1 %"),
        (0.006, "1 %"),
        (0.4123, "41 %"),
        (0.994, "99 %"),
        (0.9961, "> 99 %"),
        (1.0, "100 %"),
    ],
)
def test_percent(probability, text):
    assert plain(wording.percent(probability)) == text


def test_percent_with_digits():
    assert plain(wording.percent(0.1234, 1)) == "12.3 %"
    assert plain(wording.percent(0.0002, 1)) == "< 0.1 %"


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "very unsure"), (0.22, "unsure"), (0.4, "fairly sure"), (0.89, "sure"), (1.0, "very sure")],
)
def test_confidence_words(value, words):
    assert wording.confidence_words(value) == words


def test_a_tie_of_two_classes_is_never_called_sure():
    tie = confidence(distribution(anger=0.5, sadness=0.5))
    assert wording.confidence_words(tie) == "fairly sure"


def measured(values: np.ndarray, **fields) -> FacePrediction:
    """A face of a checkpoint of whose answers 96.4 % are right, and whose sets hold the two likeliest classes."""
    curve = AccuracyMap(np.array([0.0, 1.0]), *[np.array([0.964, 0.964])] * 3)
    second = np.sort(values)[-2]
    reliability = Reliability(LABELS, curve, "lac", {0.9: np.full(len(LABELS), 1 - second)})
    return face(values, reliability=reliability, **fields)


def test_how_often_answers_are_right_is_said_where_it_was_measured_only():
    line = wording.certainty_line(measured(distribution(happiness=0.9)))
    assert line == "answers like this are right 96 times in 100"
    unmeasured = plain(wording.certainty_line(face(distribution(happiness=0.9))))
    assert unmeasured == "the model gives it 90 %; how often that is right was not measured"


def test_what_else_it_may_be_is_named():
    expected = ["It could be happiness or sadness. Of all such lists, short and long, 90 in 100 hold what people see."]
    assert wording.answer_sentences(measured(distribution(happiness=0.8, sadness=0.1))) == expected


def test_an_answer_is_withheld_by_what_was_measured_else_by_a_flat_distribution():
    assert wording.answer_word(measured(distribution(happiness=0.9), is_answered=False)) == "cannot tell"
    assert wording.answer_word(measured(distribution(happiness=0.2))) == "happiness"
    assert wording.answer_word(face(distribution(happiness=0.2))) == "cannot tell"
    assert wording.answer_word(face(distribution(happiness=0.9))) == "happiness"


def test_a_correction_is_told_in_plain_words_and_only_where_it_changed_the_answer():
    moved = face(distribution(anger=0.41, sadness=0.3), anchors_near(sadness=0.8), distribution(sadness=0.7))
    (sentence,) = map(plain, wording.answer_sentences(moved))
    assert sentence.startswith("At first glance it looked like anger (41 %);") and sentence.endswith("to sadness.")
    assert wording.answer_sentences(face(distribution(anger=0.8), anchors_near(anger=0.9))) == []


def test_parts_disagree_only_where_they_favour_something():
    assert wording.parts_disagree(face(distribution(anger=0.8), anchors_near(sadness=0.9)))
    assert not wording.parts_disagree(face(distribution(anger=0.8), anchors_near(sadness=0.13)))


def test_sentence_when_balancing_moves_the_answer():
    moved = face(distribution(anger=0.41, sadness=0.3), anchors_near(sadness=0.8), distribution(sadness=0.7))
    assert moved.label == "sadness"
    expected = (
        f"The primary head saw anger (41 %), unsure (confidence {moved.confidences['primary']:.2f}). "
        f"The nearest anchors are sadness, and attention proposes sadness (70 %); balancing moved the answer to sadness"
        f" ({round(100 * moved.score)} %)."
    )
    assert plain(wording.balancing_sentence(moved)) == expected


@pytest.mark.parametrize(
    ("first", "proposal", "verb"), [(0.6, 0.95, "raised it from 60 % to"), (0.9, 0.5, "lowered it from 90 % to")]
)
def test_sentence_when_balancing_keeps_the_answer(first, proposal, verb):
    kept = face(distribution(happiness=first), anchors_near(happiness=proposal), distribution(happiness=proposal))
    sentence = plain(wording.balancing_sentence(kept))
    assert f"balancing kept happiness and {verb} {round(100 * kept.score)} %." in sentence


def test_sentence_when_the_rounded_figure_stays():
    same = face(distribution(happiness=0.7), anchors_near(happiness=0.701), distribution(happiness=0.702))
    assert plain(wording.balancing_sentence(same)).endswith("balancing kept happiness and left it at 70 %.")


def test_sentence_when_no_part_put_the_answer_first():
    compromise = face(
        distribution(anger=0.5, fear=0.45, disgust=0.05),
        anchors_near(sadness=0.5, fear=0.45, disgust=0.05),
        distribution(surprise=0.5, fear=0.45, disgust=0.05),
    )
    assert compromise.label == "fear"
    assert wording.balancing_sentence(compromise).endswith("which no part put first by itself.")


def test_sentence_names_the_classes_of_the_nearest_anchors_in_order():
    mixed = face(distribution(happiness=0.8), anchors_near(neutral=0.5, sadness=0.4), None)
    # similarities 0.25, 0.2 and 0.15: neutral, sadness, neutral
    assert "the nearest anchors are neutral and sadness;" in wording.balancing_sentence(mixed).lower()


def test_sentence_without_anchors_does_not_mention_them():
    attentive_only = face(distribution(happiness=0.8), None, distribution(happiness=0.6))
    sentence = wording.balancing_sentence(attentive_only)
    assert "anchors" not in sentence
    assert "Attention proposes happiness" in sentence


def test_sentence_without_attention_does_not_mention_it():
    anchors_only = face(distribution(happiness=0.8), anchors_near(happiness=0.6), None)
    sentence = wording.balancing_sentence(anchors_only)
    assert "ttention" not in sentence
    assert "The nearest anchors are happiness;" in sentence


def test_sentence_without_balancing():
    sentence = plain(wording.balancing_sentence(face(distribution(happiness=0.8))))
    assert sentence.endswith("This model has no reliability balancing, so that is the answer.")
    assert "moved" not in sentence and "kept" not in sentence


def test_sentence_for_flat_proposals_claims_no_class():
    flat = face(distribution(happiness=0.8), anchors_near(), distribution())
    assert "The anchors hardly favour any class, and attention hardly favours any class;" in wording.balancing_sentence(
        flat
    )


@pytest.mark.parametrize("values", [distribution(), distribution(fear=1.0)], ids=["uniform", "one-hot"])
def test_extreme_distributions_are_worded_without_nan(values):
    similarities = values[:, None] * np.array([1.0, 0.0])
    extreme = face(values, similarities, values)
    texts = [wording.balancing_sentence(extreme), wording.nearest_anchors_sentence(extreme)]
    assert not any("nan" in text for text in texts)
    assert sum(extreme.shares().values()) == pytest.approx(1)


def test_shares_give_the_corrected_distribution():
    mixed = face(distribution(anger=0.41), anchors_near(sadness=0.8, fear=0.1), distribution(neutral=0.5))
    shares = mixed.shares()
    combined = sum(share * getattr(mixed, part) for part, share in shares.items())
    np.testing.assert_allclose(combined, mixed.corrected, atol=1e-6)


def test_shares_of_models_with_fewer_parts():
    assert face(distribution(anger=0.4)).shares() == {"primary": 1.0}
    assert set(face(distribution(anger=0.4), anchors_near(fear=0.9)).shares()) == {"primary", "geometric"}


def test_nearest_anchors_count_from_0_as_in_python():
    near = face(distribution(fear=0.5), anchors_near(sadness=0.8))
    assert plain(wording.nearest_anchors_sentence(near)) == (
        "Nearest: sadness 1 (40.0 %), sadness 2 (24.0 %) and sadness 0 (16.0 %) of the total similarity."
    )


def test_caution_for_unsure_and_tied_answers_only():
    assert "very unsure" in wording.caution(face(distribution(fear=0.2)))
    tie = face(distribution(fear=0.5, anger=0.45))
    assert plain(wording.caution(tie)) == "Nearly a tie: fear (50 %) or anger (45 %)."
    assert wording.caution(face(distribution(fear=0.95))) is None


def test_the_warning_says_what_the_threshold_means_on_validation_data():
    coverage = coverage_at(EVALUATION, wording.UNSURE)
    text = plain(wording.caution(face(distribution(fear=0.2)), coverage))
    assert text.endswith(
        "From confidence 0.40 on, the model answers 80 % of the validation faces and is right on 90 % of them; of the "
        "faces below, such as this one, it gets 40 % right."
    )
    assert wording.caution(face(distribution(fear=0.95)), coverage) is None


@pytest.mark.parametrize("threshold", [0.35, 0.9], ids=["not in the table", "nothing answered"])
def test_no_coverage_is_made_up(threshold):
    assert coverage_at(EVALUATION, threshold) is None
    assert coverage_at({}, threshold) is None


def test_coverage_is_what_was_measured_or_follows_from_the_confidence():
    row = {"right_in_100": 90, "coverage": 0.5, "accuracy": 0.95}
    measured = EVALUATION | {"certainty": {"answer_only": [row]}}
    assert coverage_by_strictness(measured, None) == {90: (0.5, 0.95)}
    assert coverage_by_strictness(EVALUATION, None) == coverage_by_strictness({}, reliability()) == {}
    rows = [{"threshold": c, "coverage": 1 - c, "accuracy": 0.5 + c / 2} for c in (0.0, 0.5, 1.0)]
    found = coverage_by_strictness({"plain": {"corrected": {"confidence_thresholds": rows}}}, reliability())
    # Of confidence 0.5 the share 0.65 was right, of 0.8 and more 0.9, and never more.
    assert found[65] == (pytest.approx(0.5, abs=0.01), pytest.approx(0.75, abs=0.01))
    assert max(found) == 90 and found[90][0] == pytest.approx(0.2, abs=0.01)


def test_what_it_costs_to_ask_for_more_is_said():
    assert wording.strictness_sentence((0.5, 0.95)).replace("\u00a0", " ") == (
        "50 % of the validation faces would be answered, 95 % of them rightly."
    )
    assert "not measured" in wording.strictness_sentence(None)


def test_evaluation_is_read_where_it_can_be(tmp_path):
    assert load_evaluation(str(tmp_path)) == {}
    (tmp_path / "evaluation.json").write_text("{damaged")
    assert load_evaluation(str(tmp_path)) == {}
    (tmp_path / "evaluation.json").write_text(json.dumps(EVALUATION))
    assert load_evaluation(str(tmp_path)) == EVALUATION
    assert load_evaluation("no/such-model") == {}
    assert load_evaluation(None)["plain"]


def test_comparison_in_a_sentence():
    agreed = face(distribution(happiness=0.6), anchors_near(happiness=0.9), distribution(happiness=0.7))
    assert plain(wording.comparison_sentence(compare_balancing(agreed))).startswith("All setups answer happiness, betw")
    moved = face(distribution(anger=0.41, sadness=0.3), anchors_near(sadness=0.8), distribution(sadness=0.7))
    assert wording.comparison_sentence(compare_balancing(moved)) == "The setups disagree: anger and sadness."
    alone = compare_balancing(face(distribution(happiness=0.7)))
    assert plain(wording.comparison_sentence(alone)) == "All setups answer happiness, at 70 %."


def test_a_photo_with_too_many_faces_says_the_limit():
    many = photo(*[face(distribution(fear=0.5))] * 100)
    assert wording.faces_found(many).endswith("the largest ones: 100 is the limit")


def test_faces_found():
    one = face(distribution(fear=0.5))
    assert wording.faces_found(photo()) == "No face found"
    assert wording.faces_found(photo(one, detector="yunet")) == "1 face, found by YuNet"
    assert wording.faces_found(photo(one, one)) == "2 faces, found by dlib’s HOG detector"
    assert wording.faces_found(photo(one, detector="none")) == "1 face (the whole photo)"


def test_photo_error_hides_the_path():
    message = "/tmp/gradio/ab/cat.jpg is empty: copy or download it again"
    assert wording.photo_error(message, "/tmp/gradio/ab/cat.jpg") == "This file is empty: copy or download it again."
    video = f"/tmp/gradio/ab/cat.jpg is a video, not a photo: {AS_A_VIDEO}"
    assert wording.photo_error(video, "/tmp/gradio/ab/cat.jpg").endswith("not a photo: choose it in the Video tab.")


def test_runner_up_is_the_second_class():
    assert wording.runner_up(face(distribution(fear=0.5, anger=0.3)))[0] == "anger"
    assert wording.runner_up(face(distribution()))[0] in LABELS


def test_a_rounded_1_and_nearly_1_are_no_change():
    assert wording._change(1.0, 0.9996) == "left it at >\u202f99\u00a0%"
    assert wording._change(0.5, 0.6) == "raised it from 50\u00a0% to 60\u00a0%"
