"""What the page says: numbers, confidences and what reliability balancing did, in words that hold for the case."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from grefel_hf.comparison import BalancingSetup
from grefel_hf.faces.photos import AS_A_VIDEO, RAISE_THE_LIMIT
from grefel_hf.occlusion import Occlusion
from grefel_hf.plurals import counted
from grefel_hf.reliability import CANNOT_TELL, SET_LEVEL
from grefel_hf.results import DISTRIBUTIONS, FacePrediction, PhotoPrediction, could_be, right_in_100
from grefel_hf.video.decoder import AS_A_PHOTO

from .limits import MAX_FACES
from .measured import Coverage

# Upper bounds of the confidence (Eq. 10) for each word. A distribution over two classes in equal parts has
# confidence 0.67 with eight classes and must not be called sure.
CONFIDENCE_WORDS = ((0.15, "very unsure"), (0.4, "unsure"), (0.7, "fairly sure"), (0.9, "sure"))
MOST_CONFIDENT = "very sure"
_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "middle", "right")
# Below it the page warns.
UNSURE = CONFIDENCE_WORDS[1][0]
# Below it a distribution is so flat that its top class says nothing.
FLAT = 0.03
# Two top classes that differ by less are called a near tie.
NEAR_TIE = 0.1
NEAREST_ANCHORS = 3
# Of the attention: a smaller difference from the average face is none.
NOTABLE_ATTENTION = 0.03
# Of an answer's probability: covering a part that takes less is no loss.
NOTABLE_DROP = 0.05
# Share of all faces' similarity from which on an anchor is in use.
USED_ANCHOR = 0.001

PART_NAMES = {
    "primary": "Primary",
    "geometric": "Geometric",
    "attentive": "Attentive",
    "correction": "Correction",
    "corrected": "Corrected",
}
PART_MEANINGS = {
    "primary": "the network’s own first answer",
    "geometric": "what the anchors near this face stand for",
    "attentive": "what attention over the face’s regions proposes",
    "correction": "geometric and attentive, joined",
    "corrected": "primary and correction, joined: the answer",
}
# By use of anchors and of attention.
_SETUP_NAMES = {
    (False, False): "Without balancing",
    (True, False): "With anchors only",
    (False, True): "With attention only",
    (True, True): "With both: the answer",
}
EVERY_ANSWER = "Every face that can be read gets an answer. Move this to ask for more."
DETECTOR_NAMES = {"yunet": "YuNet", "hog": "dlib’s HOG detector", "none": "no detector: the photo is taken as one face"}


def percent(probability: float, digits: int = 0) -> str:
    """A probability as a percentage with its unit; what rounds to 0 or 100 without being so says "<" or ">"."""
    least = 10.0**-digits
    value = round(100 * probability, digits)
    if value < least and probability > 0:
        return f"<\u202f{least:.{digits}f}\u00a0%"
    if value >= 100 and probability < 1:
        return f">\u202f{100 - least:.{digits}f}\u00a0%"
    return f"{value:.{digits}f}\u00a0%"


def confidence_words(confidence: float) -> str:
    """A confidence in [0, 1] in words, from "very unsure" to "very sure"."""
    return next((words for bound, words in CONFIDENCE_WORDS if confidence < bound), MOST_CONFIDENT)


def top_class(face: FacePrediction, part: str) -> tuple[str, float]:
    """The first class of one distribution and its probability."""
    values = getattr(face, part)
    return face.labels[int(values.argmax())], float(values.max())


def runner_up(face: FacePrediction) -> tuple[str, float]:
    """The second class of the corrected distribution and its probability."""
    second = int(face.corrected.argsort(stable=True)[-2])
    return face.labels[second], float(face.corrected[second])


def answer_word(face: FacePrediction) -> str:
    """The answer in a word or two; none for an all but flat distribution either, where nothing was measured."""
    is_flat = face.reliability is None and face.confidences["corrected"] < CONFIDENCE_WORDS[0][0]
    return CANNOT_TELL if is_flat else face.label


def certainty_line(face: FacePrediction) -> str:
    """How far the answer can be relied on. Where that was not measured nothing is claimed."""
    guess = "" if answer_word(face) != CANNOT_TELL else f"the nearest guess is {face.top_label}; "
    if face.is_answerable is False:
        return f"{guess}this is hardly a face that can be read"
    times = right_in_100(face)
    if times is None:
        return f"{guess}the model gives it {percent(face.score)}; how often that is right was not measured"
    return f"{guess}answers like this are right {times} times in 100"


def short_certainty(face: FacePrediction) -> str:
    """The same in a word or two, for lists."""
    times = right_in_100(face)
    return percent(face.score) if times is None else f"right {times} in 100"


def is_unsure(face: FacePrediction) -> bool:
    """Whether there is no answer, or one with a warning."""
    return answer_word(face) == CANNOT_TELL or caution(face) is not None


def answer_sentences(face: FacePrediction) -> list[str]:
    """What else matters about the answer, in plain words: what corrected it, and what it might be instead."""
    sentences = []
    (before, probability), (after, _) = top_class(face, "primary"), top_class(face, "corrected")
    if before != after:
        sentences.append(
            f"At first glance it looked like {before} ({percent(probability)}); a second look, at typical faces of "
            f"each kind and at this face’s parts, moved the answer to {after}."
        )
    possible = face.prediction_set() or ()
    if len(possible) > 1:
        held = f"Of all such lists, short and long, {100 * SET_LEVEL:.0f} in 100 hold what people see."
        sentences.append(f"It could be {could_be(face)}. {held}")
    return sentences


def parts_disagree(face: FacePrediction) -> bool:
    """Whether parts of the model that favour a class at all favour different ones."""
    parts = [part for part in DISTRIBUTIONS if getattr(face, part) is not None and face.confidences[part] >= FLAT]
    return len({top_class(face, part)[0] for part in parts}) > 1


def balancing_sentence(face: FacePrediction) -> str:
    """What the primary head saw, what anchors and attention added, and what became of the answer."""
    label, probability = top_class(face, "primary")
    confidence = face.confidences["primary"]
    primary = (
        f"The primary head saw {label} ({percent(probability)}), "
        f"{confidence_words(confidence)} (confidence\u00a0{confidence:.2f})."
    )
    if face.correction is None:
        return f"{primary} This model has no reliability balancing, so that is the answer."
    evidence = ", and ".join(part for part in (_anchor_evidence(face), _attention_evidence(face)) if part)
    return f"{primary} {_capitalised(evidence)}; {_outcome(face)}."


def nearest_anchors_sentence(face: FacePrediction) -> str:
    """The strongest anchors by name, numbered from 0 as in Python."""
    nearest = face.nearest_anchors(NEAREST_ANCHORS)
    named = [f"{label}\u00a0{number} ({percent(value, 1)})" for label, number, value in nearest]
    return f"Nearest: {_listed(named)} of the total similarity."


def caution(face: FacePrediction, unsure: Coverage | None = None) -> str | None:
    """
    A warning where the answer is not to be relied on, else None.

    Args:
        unsure: what was measured at the confidence `UNSURE`, if it was.
    """
    (label, first), (other, second) = top_class(face, "corrected"), runner_up(face)
    confidence = face.confidences["corrected"]
    if confidence < UNSURE and face.reliability is None:
        words = confidence_words(confidence)
        warning = f"The model is {words} about this face. Take the answer as a guess, not a finding."
        return f"{warning} {coverage_sentence(unsure)}" if unsure else warning
    if first - second < NEAR_TIE:
        return f"Nearly a tie: {label} ({percent(first)}) or {other} ({percent(second)})."
    return None


def coverage_sentence(coverage: Coverage) -> str:
    """What it would mean to take only answers from this confidence on."""
    sentence = (
        f"From confidence {coverage.threshold:.2f} on, the model answers {percent(coverage.share)} of the validation "
        f"faces and is right on {percent(coverage.accuracy)} of them"
    )
    if coverage.accuracy_below is None:
        return f"{sentence}."
    return f"{sentence}; of the faces below, such as this one, it gets {percent(coverage.accuracy_below)} right."


def strictness_sentence(coverage: tuple[float, float] | None) -> str:
    """What it costs to ask for certain answers: the share of validation faces answered, and rightly; None for none."""
    if coverage is None:
        return "How many faces would be answered was not measured."
    share, accuracy = coverage
    return f"{percent(share)} of the validation faces would be answered, {percent(accuracy)} of them rightly."


def attention_sentence(face: FacePrediction) -> str | None:
    """Where the model looked more than on the average face, and where less; None where that was not measured."""
    difference = face.attention_difference
    if difference is None:
        return None
    usual = face.explanation.attention
    average = f"the average of {face.explanation.faces:,} faces"

    def place(index: int) -> str:
        row, column = np.unravel_index(index, usual.shape)
        cell = f"{percent(float(face.attention_map[row, column]))} of the attention, usually"
        name = _place_name((row + 0.5) / len(usual), (column + 0.5) / len(usual))
        return f"{name} ({cell} {percent(float(usual[row, column]))})"

    most, least = int(difference.argmax()), int(difference.argmin())
    if difference.max() < NOTABLE_ATTENTION and difference.min() > -NOTABLE_ATTENTION:
        return f"It looked where it looks on {average}."
    return f"Compared with {average}, it looked more at {place(most)} and less at {place(least)}."


def occlusion_words(occlusion: Occlusion) -> str:
    """What covering a part did: "happiness 57 % to 20 %, then sadness"."""
    before, after = (percent(score) for score in occlusion.scores)
    then = "" if occlusion.label_after == occlusion.label else f", then {occlusion.label_after}"
    return f"{occlusion.label} {before} to {after}{then}"


def occlusion_sentence(occlusions: Sequence[Occlusion]) -> str:
    """Which part the answer rests on, if on any."""
    most = occlusions[0]
    if most.drop < NOTABLE_DROP:
        return f"No part alone is needed for {most.label}: with any one of them covered it stays where it is."
    return f"With the {most.region} covered: {occlusion_words(most)}."


def anchor_words(face: FacePrediction, label: str, number: int, rank: int) -> str:
    """What an anchor is to this face, and what it stands for: the faces near it, as people called them."""
    index = face.labels.index(label)
    share = percent(float(face.anchor_similarities[index, number]), 1)
    place = "the nearest" if rank == 1 else f"number {rank} from the nearest"
    anchors, faces = face.explanation.anchors, f"{face.explanation.faces:,} measured faces"
    words = f"{label} {number}: {share} of this face’s similarity, {place} of {face.anchor_similarities.size}."
    use, meant = float(anchors.use[index, number]), anchors.meant[index, number]
    if use < USED_ANCHOR:
        return f"{words} Hardly any of {faces} was near it."
    called = [f"{face.labels[i]} {percent(float(meant[i]))}" for i in meant.argsort()[::-1][:3] if meant[i] >= 0.005]
    return f"{words} It has {percent(use, 1)} of the similarity of {faces}; people called those {_listed(called)}."


def anchor_map_sentence(face: FacePrediction) -> str:
    """How far the map can be trusted, and how many anchors are in use."""
    anchors = face.explanation.anchors
    used, right = int((anchors.use >= USED_ANCHOR).sum()), round(100 * anchors.agreement)
    return (
        f"{used} of {anchors.use.size} anchors were ever near one of {face.explanation.faces:,} measured faces; the "
        f"others stand outside. Two dimensions are a rough picture: for {right} in 100 of those faces the anchor "
        "nearest on this map was the most similar one."
    )


def anchor_tip(label: str, number: int, share: float) -> str:
    """An anchor's share of the total similarity."""
    return f"{label} anchor {number}: {percent(share, 1)}"


def setup_name(setup: BalancingSetup) -> str:
    """A row of Table 2 in words."""
    return _SETUP_NAMES[setup.use_anchors, setup.use_attentive_correction]


def comparison_sentence(setups: Sequence[BalancingSetup]) -> str:
    """Whether the parts of balancing agree about a face."""
    answers = list(dict.fromkeys(setup.label for setup in setups))
    if len(answers) == 1:
        scores = [setup.score for setup in setups]
        least, most = percent(min(scores)), percent(max(scores))
        between = f"at {least}" if least == most else f"between {least} and {most}"
        return f"All setups answer {answers[0]}, {between}."
    return f"The setups disagree: {_listed(answers)}."


def faces_found(photo: PhotoPrediction) -> str:
    """How many faces there are and who looked for them."""
    if photo.detector == "none":
        return "1 face (the whole photo)"
    count = len(photo.faces)
    if not count:
        return "No face found"
    most = f", the largest ones: {MAX_FACES} is the limit" if count == MAX_FACES else ""
    return f"{counted(count, 'face')}, found by {DETECTOR_NAMES.get(photo.detector, photo.detector)}{most}"


def report_title(of: str) -> str:
    """The heading of a report on a file, or on several."""
    return f"Facial expressions in {of}"


def timeline_words(labels: tuple[str, ...], times: Sequence[float], distributions: Sequence[np.ndarray]) -> str:
    """What the drawing of distributions (N,) over seconds shows, for those who hear the page."""
    if not len(times):
        return "Timeline, still empty"
    (first, most), (second, next_most) = _two_on_average(labels, distributions)
    return (
        f"Timeline from {times[0]:.1f} to {times[-1]:.1f} seconds; "
        f"on average {first} {percent(most)} and {second} {percent(next_most)}"
    )


def people_found(tracks: int, at_once: int, seconds: float) -> str:
    """How many people a video shows, as far as that is known: those who were seen at once are different ones."""
    if tracks <= at_once:
        return f"{counted(tracks, 'person', 'people')} in {seconds:.1f} seconds."
    least = counted(at_once, "person", "people")
    return f"{tracks} tracks in {seconds:.1f} seconds, of at least {least}: a track is a face that was followed."


def person_words(labels: tuple[str, ...], times: Sequence[float], distributions: Sequence[np.ndarray]) -> str:
    """When a person of a video was seen, and with which expressions."""
    (first, most), (second, next_most) = _two_on_average(labels, distributions)
    return (
        f"from {times[0]:.1f} to {times[-1]:.1f} s; on average {first} {percent(most)}, {second} {percent(next_most)}"
    )


def measured_on(names: Sequence[str], samples: int | None, *, intervals: bool) -> str:
    """What the figures of an evaluation were measured on."""
    faces = [f"{samples:,} faces"] if samples else []
    note = " Small figures: 95 % intervals." if intervals else ""
    return f"Measured on {', '.join([*names, *faces])}.{note}"


def confusion_tip(true: str, answer: str, count: int, total: int) -> str:
    """A cell of a confusion matrix."""
    return f"{true} answered as {answer}: {count} of {total}"


def reliability_words(bins: Sequence[dict[str, Any]]) -> str:
    """What a reliability diagram shows, for those who hear the page."""
    return "; ".join(
        f"{row['confidence']:.0%} sure: {row['accuracy']:.0%} right, {row['samples']} faces" for row in bins
    )


def reliability_tip(row: dict[str, Any]) -> str:
    """A bin of a reliability diagram."""
    return f"{row['lower']:.0%} to {row['upper']:.0%}: {row['accuracy']:.0%} of {row['samples']} right"


def worst_sentence(recalls: Sequence[tuple[str, float, int | None]]) -> str:
    """The classes that are recognised worst: name, recall, and the number of faces where it is known."""
    named = [
        f"{label} ({percent(recall)}{'' if faces is None else f' of {faces}'})" for label, recall, faces in recalls
    ]
    return f"Recognised worst: {', '.join(named)}."


def notes(photo: PhotoPrediction) -> str:
    """What was done to the photo before it was searched; empty for nothing."""
    return "".join(f"{_capitalised(note)}. " for note in photo.notes).strip()


def photo_error(message: str, path: str) -> str:
    """The library's message for an unreadable photo as one sentence, without the server's path."""
    sentence = message.replace(path, "this file").replace(RAISE_THE_LIMIT, "").strip().rstrip(".")
    for words, tab in ((AS_A_VIDEO, "Video"), (AS_A_PHOTO, "Photo")):
        sentence = sentence.replace(words, f"choose it in the {tab} tab")
    return f"{_capitalised(sentence)}."


def _anchor_evidence(face: FacePrediction) -> str | None:
    if face.geometric is None:
        return None
    if face.confidences["geometric"] < FLAT:
        return "the anchors hardly favour any class"
    classes = list(dict.fromkeys(label for label, _, _ in face.nearest_anchors(NEAREST_ANCHORS)))
    return f"the nearest anchors are {_listed(classes)}"


def _attention_evidence(face: FacePrediction) -> str | None:
    if face.attentive is None:
        return None
    if face.confidences["attentive"] < FLAT:
        return "attention hardly favours any class"
    label, probability = top_class(face, "attentive")
    return f"attention proposes {label} ({percent(probability)})"


def _outcome(face: FacePrediction) -> str:
    before, _ = top_class(face, "primary")
    after, probability = top_class(face, "corrected")
    if after == before:
        return f"balancing kept {after} and {_change(float(face.primary.max()), probability)}"
    proposals = {top_class(face, part)[0] for part in ("geometric", "attentive") if getattr(face, part) is not None}
    surprise = "" if after in proposals else ", which no part put first by itself"
    return f"balancing moved the answer to {after} ({percent(probability)}){surprise}"


def _change(before: float, after: float) -> str:
    if percent(before) == percent(after) or round(100 * before) == round(100 * after) == 100:  # 1 and nearly 1
        return f"left it at {percent(after)}"
    verb = "raised" if after > before else "lowered"
    return f"{verb} it from {percent(before)} to {percent(after)}"


def _two_on_average(labels: tuple[str, ...], distributions: Sequence[np.ndarray]) -> list[tuple[str, float]]:
    mean = np.mean(distributions, axis=0)
    return [(labels[index], float(mean[index])) for index in mean.argsort()[::-1][:2]]


def _place_name(down: float, across: float) -> str:
    """A place in a crop, in fractions of its height and width."""
    row, column = (names[min(int(3 * value), 2)] for value, names in ((down, _ROWS), (across, _COLUMNS)))
    return "the middle" if row == column == "middle" else f"the {row} {column}".replace("middle middle", "middle")


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
