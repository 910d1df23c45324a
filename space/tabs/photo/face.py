"""Everything about one face: the answer first, then how it came about."""

from html import escape

from grefel_hf.comparison import compare_balancing
from grefel_hf.palette import class_colours
from grefel_hf.results import FacePrediction, PhotoPrediction

from ... import figures
from ... import sentences as wording
from ...measured import Coverage

NO_FACE = """
<section class="gf-empty" id="gf-no-face">
  <h2>No face found in this photo</h2>
  <p>The photo was read, but the detector saw no face in it. It finds faces best that are</p>
  <ul>
    <li>turned to the camera, both eyes visible,</li>
    <li>at least about 80 pixels wide,</li>
    <li>upright and evenly lit.</li>
  </ul>
  <p>Try another photo, or cut this one closer to the face.</p>
</section>
"""


def empty_view(labels: tuple[str, ...]) -> str:
    """Before there is a photo: what will be seen, and which expressions the model tells apart."""
    colours = class_colours(labels)
    chips = "".join(f'<span class="gf-chip">{figures.swatch(colours[label])}{escape(label)}</span>' for label in labels)
    return f"""
<section class="gf-empty">
  <h2>For every face in the photo you will see</h2>
  <ol>
    <li><b>The corrected answer</b> beside the network’s first one, as probabilities over all expressions.</li>
    <li><b>What moved it:</b> the proposals of geometry and attention, and how sure each of them was.</li>
    <li><b>Where the face lies</b> among the learned anchors, and which regions the model looked at.</li>
  </ol>
  <p>The model tells these expressions apart:</p>
  <div class="gf-classes">{chips}</div>
</section>
"""


def faces_view(photo: PhotoPrediction, unsure: Coverage | None = None) -> str:
    """A section per face, the first one shown; page.js shows another when it is chosen. `unsure`: see `caution`."""
    if not photo.faces:
        return NO_FACE
    count = len(photo.faces)
    return "".join(face_view(face, number, count, unsure) for number, face in enumerate(photo.faces, start=1))


def face_view(face: FacePrediction, number: int, count: int, unsure: Coverage | None = None) -> str:
    """One face, `number` of `count`."""
    balanced = face.correction is not None
    sections = [_section("From first to corrected answer", _two_distributions(face))] if balanced else []
    sections += _explanations(face) if balanced else [_section("The distribution", _one_distribution(face))]
    return (
        f'<article class="gf-face" data-panel="{number}" aria-label="Face {number}"'
        f"{'' if number == 1 else ' hidden'}>{_header(face, number, count, unsure)}{''.join(sections)}</article>"
    )


def _header(face: FacePrediction, number: int, count: int, unsure: Coverage | None) -> str:
    confidence = face.confidences["corrected"]
    other, probability = wording.runner_up(face)
    warning = wording.caution(face, unsure)
    return (
        f'<header class="gf-head">{figures.crop_figure(face, number)}<div class="gf-answer-text">'
        f'<p class="gf-kicker">Face {number} of {count}</p>'
        f"<h2>{figures.swatch(class_colours(face.labels)[face.label])}{escape(face.label)} "
        f"<b>{wording.percent(face.score)}</b></h2>"
        f'<p class="gf-sure">{wording.confidence_words(confidence)}, confidence {confidence:.2f} · '
        f"then {escape(other)} {wording.percent(probability)}</p>"
        f'<p class="gf-sentence">{escape(wording.balancing_sentence(face))}</p>'
        + (f'<p class="gf-caution" role="note">{escape(warning)}</p>' if warning else "")
        + "</div></header>"
    )


def _two_distributions(face: FacePrediction) -> str:
    return (
        '<div class="gf-two">'
        f"<div><h4>Corrected <small>the answer</small></h4>{figures.distribution_bars(face, 'corrected', size='large')}"
        f"</div><div><h4>Primary <small>before balancing</small></h4>"
        f"{figures.distribution_bars(face, 'primary', size='small')}</div></div>"
    )


def _one_distribution(face: FacePrediction) -> str:
    note = "This model has neither anchors nor attentive correction: its primary distribution is the answer."
    return f"<p>{note}</p>{figures.distribution_bars(face, 'primary', size='large')}"


def _explanations(face: FacePrediction) -> list[str]:
    sections = [
        _section(
            "All distributions on one scale",
            figures.four_distributions(face),
            "Every column adds up to 100 %. The more certain a column is, the more it counts in the corrected one.",
        ),
        _section(
            "How sure each part is",
            figures.confidence_table(face),
            "Confidence measures how much a distribution settles on one class: 0 when all are equally likely, 1 when "
            "only one is left. It is not the chance of being right.",
        ),
    ]
    setups = compare_balancing(face)
    sections.append(
        _section(
            "With and without balancing",
            figures.setups_table(face, setups),
            f"{wording.comparison_sentence(setups)} The parts are switched on and off for this face, as in Table 2 of "
            "the paper, but on one set of weights.",
        )
    )
    if face.anchor_similarities is not None:
        sections.append(
            _section(
                "Similarity to the anchors",
                figures.anchor_heat_map(face),
                f"{wording.nearest_anchors_sentence(face)} Anchors are typical points that the model learned for each "
                "class; a row’s sum is the geometric proposal for it.",
            )
        )
    return sections


def _section(title: str, content: str, note: str = "") -> str:
    return f'<section class="gf-section"><h3>{title}</h3>{f"<p>{escape(note)}</p>" if note else ""}{content}</section>'
