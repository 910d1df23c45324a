"""
The figures of one face as HTML: bars, tables and a heat map that follow the page's theme and read well aloud.

Every figure is a pure function from a `FacePrediction` to a string. Colours and sizes are in page.css; a value v in
[0, 1] reaches it as the custom property --v, a class colour as --class.
"""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from grefel_hf.comparison import BalancingSetup
from grefel_hf.palette import class_colours
from grefel_hf.results import DISTRIBUTIONS, PARTS, FacePrediction

from . import sentences as wording
from .images import CROP_SIDE, attention_uri, jpeg_uri

AXIS = (0, 50, 100)  # ticks of every probability axis, in per cent
# From this share of the strongest colour on, the heat map's figures change from dark to light (or light to dark).
FULL = 0.696


def distribution_bars(face: FacePrediction, part: str, *, size: str) -> str:
    """
    One distribution as a bar per class, in the model's order, the top one emphasised.

    Args:
        part: one of `DISTRIBUTIONS`.
        size: "large" or "small".
    """
    values = getattr(face, part)
    rows = "".join(
        f'<tr class="{"gf-top" if index == values.argmax() else ""}">'
        f"{_class_header(face, label)}{_bar_cell(face, label, values[index])}</tr>"
        for index, label in enumerate(face.labels)
    )
    return (
        f'<table class="gf-bars gf-{size}"><caption class="gf-aloud">{_part_name(part)} distribution, in per cent'
        f"</caption><tbody>{rows}</tbody>{_axis_row(1)}</table>"
    )


def four_distributions(face: FacePrediction) -> str:
    """All distributions that the model makes, a column each on the same axis, with what each counts for."""
    parts = [part for part in DISTRIBUTIONS if getattr(face, part) is not None]
    tops = {part: int(getattr(face, part).argmax()) for part in parts}
    heads = "".join(
        f'<th scope="col" title="{escape(wording.PART_MEANINGS[part])}">{_part_name(part)}</th>' for part in parts
    )
    rows = "".join(
        f"<tr>{_class_header(face, label)}"
        + "".join(_bar_cell(face, label, getattr(face, part)[index], top=tops[part] == index) for part in parts)
        + "</tr>"
        for index, label in enumerate(face.labels)
    )
    return (
        '<table class="gf-bars gf-four"><caption class="gf-aloud">Probability of each class by distribution, in per '
        f'cent</caption><thead><tr><th scope="col"><span class="gf-aloud">Class</span></th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody>{_axis_row(len(parts))}</table>"
    )


def confidence_table(face: FacePrediction) -> str:
    """The confidence of each part on a meter from 0 to 1, in words, and how much the part counts for."""
    shares = face.shares()
    rows = "".join(
        f'<tr><th scope="row">{_part_name(part)}<small>{escape(wording.PART_MEANINGS[part])}</small></th>'
        f'<td><div>{_bar(value)}<span class="gf-number">{value:.2f}</span>'
        f"<span>{wording.confidence_words(value)}</span></div></td>"
        f"<td>{wording.percent(shares[part]) if part in shares else '–'}</td></tr>"
        for part, value in face.confidences.items()
        if part in PARTS
    )
    return (
        '<table class="gf-confidence"><thead><tr><th scope="col">Part</th><th scope="col">Confidence, 0 to 1</th>'
        f'<th scope="col">Counts for</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def setups_table(face: FacePrediction, setups: Sequence[BalancingSetup]) -> str:
    """The setups of balancing in columns, so that what they say of one class stands side by side."""
    heads = "".join(f'<th scope="col">{escape(wording.setup_name(setup))}</th>' for setup in setups)
    rows = "".join(
        f"<tr>{_class_header(face, label)}"
        + "".join(_bar_cell(face, label, setup.distribution[index], top=setup.label == label) for setup in setups)
        + "</tr>"
        for index, label in enumerate(face.labels)
    )
    confidences = "".join(f"<td>{setup.confidence:.2f}</td>" for setup in setups)
    last = f'<tr class="gf-last"><th scope="row">confidence</th>{confidences}</tr>'
    return (
        '<table class="gf-bars gf-four gf-setups"><caption class="gf-aloud">Probability of each class by setup of '
        f'balancing, in per cent</caption><thead><tr><th scope="col"><span class="gf-aloud">Class</span></th>{heads}'
        f"</tr></thead><tbody>{rows}{last}</tbody></table>"
    )


def anchor_heat_map(face: FacePrediction) -> str:
    """Similarity to every anchor, classes by anchors, the strongest framed; each row ends with its sum. "" if none."""
    similarities = face.anchor_similarities
    if similarities is None:
        return ""
    most = float(similarities.max())
    strongest = {(label, number) for label, number, _ in face.nearest_anchors(wording.NEAREST_ANCHORS)}
    count = similarities.shape[1]
    heads = "".join(f'<th scope="col">{number + 1}</th>' for number in range(count))
    rows = "".join(
        f"<tr>{_class_header(face, label)}"
        + "".join(_anchor_cell(label, number, float(row[number]), most, strongest) for number in range(count))
        + f'<td class="gf-number">{wording.percent(float(row.sum()))}</td></tr>'
        for label, row in zip(face.labels, similarities)
    )
    return (
        '<div class="gf-scroll"><table class="gf-heat"><caption class="gf-aloud">Similarity of this face to each '
        f'anchor, in per cent</caption><thead><tr><th scope="col"><span class="gf-aloud">Class</span></th>{heads}'
        f'<th scope="col" class="gf-number">Sum</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="gf-legend"><span>{wording.percent(0)}</span><span class="gf-ramp" aria-hidden="true"></span>'
        f"<span>{wording.percent(most, 1)} of the total similarity</span></p>"
    )


def crop_figure(face: FacePrediction, number: int, *, switches: bool = True) -> str:
    """The crop that the model saw; over it landmarks and attention where the model gives them, each with a switch."""
    layers, boxes = [], []
    if face.attention_map is not None:
        layers.append(f'<img class="gf-attention" src="{attention_uri(face.attention_map)}" alt="">')
        boxes.append(_switch("attention", "Attention", "bright: more"))
    if face.landmarks is not None:
        layers.append(_landmarks(face.landmarks))
        boxes.append(_switch("landmarks", "Landmarks"))
    width, height = face.crop.size
    picture = f'<img src="{jpeg_uri(face.crop, CROP_SIDE)}" alt="Face {number} as the model saw it">'
    caption = f"<figcaption>{''.join(boxes)}</figcaption>" if switches else ""
    return (
        f'<figure class="gf-crop"><div class="gf-layers" style="aspect-ratio:{width}/{height}">{picture}'
        f"{''.join(layers)}</div>{caption}</figure>"
    )


def progress_bar(done: int, total: int, words: str) -> str:
    """How far something has come."""
    return (
        f'<div class="gf-progress" role="status"><p>{escape(words)}</p>'
        f'<progress max="{max(total, 1)}" value="{done}" aria-label="{escape(words)}"></progress></div>'
    )


def legend(labels: tuple[str, ...]) -> str:
    """The classes with their colours."""
    colours = class_colours(labels)
    return (
        f'<p class="gf-legend gf-names">{"".join(f"<span>{swatch(colours[c])}{escape(c)}</span>" for c in labels)}</p>'
    )


def swatch(colour: str) -> str:
    """A dot in a class's colour."""
    return f'<span class="gf-swatch" style="--class:{colour}" aria-hidden="true"></span>'


def _part_name(part: str) -> str:
    return escape(wording.PART_NAMES[part])


def _class_header(face: FacePrediction, label: str) -> str:
    return f'<th scope="row">{swatch(class_colours(face.labels)[label])}{escape(label)}</th>'


def _bar(value: float, colour: str | None = None) -> str:
    style = f"--v:{float(value):.4f}" + (f";--class:{colour}" if colour else "")
    return f'<span class="gf-track" style="{style}" aria-hidden="true"><span></span></span>'


def _bar_cell(face: FacePrediction, label: str, value: float, *, top: bool = False) -> str:
    bar = _bar(value, class_colours(face.labels)[label])
    number = f'<span class="gf-number">{wording.percent(float(value))}</span>'
    return f'<td class="{"gf-top" if top else ""}"><div>{bar}{number}</div></td>'


def _axis_row(columns: int) -> str:
    ticks = "".join(f"<span>{tick}{chr(160) + '%' if tick == AXIS[-1] else ''}</span>" for tick in AXIS)
    cell = f'<td><div class="gf-axis">{ticks}</div></td>'
    return f'<tfoot aria-hidden="true"><tr><td></td>{cell * columns}</tr></tfoot>'


def heat_cell(level: float, text: str, tip: str, *, framed: bool) -> str:
    """A cell of a heat map, from no colour (level 0) to all of it (1)."""
    classes = " ".join(name for name, wanted in (("gf-strong", framed), ("gf-full", level > FULL)) if wanted)
    return f'<td class="{classes}" style="--v:{level:.3f}" title="{escape(tip)}"><span>{text}</span></td>'


def _anchor_cell(label: str, number: int, value: float, most: float, strongest: Iterable[tuple[str, int]]) -> str:
    tip = f"{label} anchor {number + 1}: {wording.percent(value, 1)}"
    level = value / most if most > 0 else 0.0
    return heat_cell(level, f"{100 * value:.1f}", tip, framed=(label, number) in strongest)


def _switch(layer: str, name: str, note: str = "") -> str:
    more = f"<small>{note}</small>" if note else ""
    return f'<label><input type="checkbox" data-layer="{layer}" checked> {name} {more}</label>'


def _landmarks(points: np.ndarray) -> str:
    """Points (68, 2) in fractions of the crop as dots of constant size on the screen."""
    dots = "".join(f'<span style="left:{100 * x:.2f}%;top:{100 * y:.2f}%"></span>' for x, y in points)
    return f'<div class="gf-landmarks" aria-hidden="true">{dots}</div>'
