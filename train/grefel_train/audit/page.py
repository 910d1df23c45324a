"""audit.html: the suspects with their pictures, boxes for decisions, and a button that saves these; it stands alone."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from grefel_hf.files import write_text
from grefel_hf.model.pixels import to_rgb
from grefel_hf.spreadsheets import as_cell
from grefel_train.audit.duplicates import Pair
from grefel_train.audit.images import AuditImages
from grefel_train.audit.suspects import ALIKE, KINDS, Suspect, place
from grefel_train.data.dataset import read_image
from grefel_train.evaluation.words import environment

SIDE = 160  # of a picture on the page, in pixels
MOST_PAIRS = 200  # of different splits that are listed


def write_page(file: Path, images: AuditImages, suspects: Sequence[Suspect], pairs: Sequence[Pair], most: int):
    """Shows at most `most` suspects, the likeliest of each kind."""
    shown = set(most_of_each_kind(suspects, most))
    cards = [card(images, suspect) for suspect in suspects if suspect.position in shown]
    across = [pair for pair in pairs if images.split_names[pair.first] != images.split_names[pair.second]]
    templates = environment(True, Path(__file__).parent / "templates")
    templates.filters["as_cell"] = as_cell
    text = templates.get_template("audit.html").render(
        title=images.title,
        total=len(images.labels),
        sections=[(name, [entry for entry in cards if entry["kind"] == kind]) for kind, name in KINDS.items()],
        left_out=len(suspects) - len(cards),
        across=[
            (ALIKE[pair.kind], *(described(images, position) for position in pair[:2])) for pair in across[:MOST_PAIRS]
        ],
        more_across=max(len(across) - MOST_PAIRS, 0),
        label_names=images.label_names,
    )
    write_text(file, text)


def most_of_each_kind(suspects: Sequence[Suspect], most: int) -> list[int]:
    """Positions of at most `most` suspects, as evenly of all kinds as there are."""
    queues = [[suspect.position for suspect in suspects if suspect.kind == kind] for kind in KINDS]
    turns = sorted((turn, kind, position) for kind, queue in enumerate(queues) for turn, position in enumerate(queue))
    return [position for *_, position in turns[:most]]


def card(images: AuditImages, suspect: Suspect) -> dict:
    """What the page shows of a suspect."""
    bars = sorted(zip(suspect.distribution.tolist(), images.label_names), reverse=True)[:3]
    return described(images, suspect.position) | {
        "kind": suspect.kind,
        "proposed": images.label_names[suspect.proposed],
        "probability": suspect.probability,
        "reason": suspect.reason,
        "bars": [(name, probability) for probability, name in bars],
    }


def described(images: AuditImages, position: int) -> dict:
    """An image's place, also as cells for a CSV file, and its picture."""
    found = place(images, position)
    return found | {
        "cells": {name: as_cell(value) for name, value in found.items()},
        "picture": picture_uri(read_image(images.images[position]["image"])),
    }


def picture_uri(image: Image.Image) -> str:
    """A picture of at most SIDE pixels as a data URI."""
    buffer = io.BytesIO()
    ImageOps.contain(to_rgb(image), (SIDE, SIDE)).save(buffer, "jpeg", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
