"""HTML comes from templates only, and nothing that a model or a visitor names is markup in it."""

import ast
import copy
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from space.archives import UploadedPhoto
from space.rendering import render
from space.tabs.about.view import about_view
from space.tabs.live.view import frame_view
from space.tabs.many.handlers import Batch
from space.tabs.many.view import batch_view
from space.tabs.photo.view import empty_view, faces_view, photo_view
from space.tabs.video.handlers import Analysis, Person
from space.tabs.video.view import analysis_view
from space.uploads import refuse
from tests.helpers.evaluation_example import EVALUATION
from tests.helpers.face_examples import anchors_near, distribution, face, photo
from tests.helpers.html import assert_well_formed
from tests.helpers.page_driver import ROOT

SCRIPT = "<script>alert(1)</script>\"'"
MARKUP = tuple(f'<img src=x onerror="alert({index})">{SCRIPT}' for index in range(8))
SOURCES = sorted([ROOT / "app.py", *(ROOT / "space").rglob("*.py")])


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_python_file_makes_markup(file):
    assert made_by_hand(file) == []


@pytest.mark.parametrize(
    "code", ["from html import escape", "import html", 'x = "<b>"', 'x = f"<p>{1}"', 'x = "</p>"', "x = Markup(1)"]
)
def test_markup_made_by_hand_is_noticed(code, tmp_path):
    file = tmp_path / "view.py"
    file.write_text(code)
    assert made_by_hand(file)


def made_by_hand(file: Path) -> list[str]:
    """Tags in strings, and functions that make or escape HTML."""
    found = []
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += re.findall(r"</|<[a-z!][^<]*>?", node.value)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "html":
            found.append("from html")
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name == "html"]
        elif isinstance(node, ast.Name) and node.id == "Markup":
            found.append("Markup")
    return found


def test_a_value_that_a_template_lacks_is_an_error():
    with pytest.raises(UndefinedError):
        render("video/progress", total=1, seconds=1.0)


def hostile_views() -> dict[str, str]:
    """Every view, of a model and of files whose names are markup."""
    shown = replace(
        face(distribution(anger=0.4), anchors_near(sadness=0.8), distribution(sadness=0.7)),
        labels=MARKUP,
        attention_map=np.arange(16.0).reshape(4, 4),
    )
    result, picture = photo(shown, shown), Image.new("RGB", (200, 100))
    batch = Batch([UploadedPhoto(SCRIPT, SCRIPT, SCRIPT)] * 2)
    batch.results[0], batch.thumbnails[0], batch.problems[1] = result, "data:image/png;base64,A", SCRIPT
    person = Person([0.0, 0.5], *[[shown.corrected] * 2] * 2, "data:image/png;base64,A", answerable=True)
    evaluation = copy.deepcopy(EVALUATION) | {"dataset": SCRIPT, "split": SCRIPT, "protocol": SCRIPT}
    evaluation["plain"]["balancing"] = dict.fromkeys(("labels_changed", "mended", "spoilt"), SCRIPT)
    for part in ("primary", "corrected"):
        evaluation["plain"][part]["confusion"] = np.eye(8, dtype=int).tolist()
    evaluation["plain"]["corrected"]["recall_by_class"] = dict.fromkeys(MARKUP, 0.5)
    evaluation["plain"]["corrected"]["support_by_class"] = dict.fromkeys(MARKUP, SCRIPT)
    return {
        "empty": empty_view(MARKUP),
        "problem": refuse(SCRIPT, SCRIPT).view(),
        "panel": unescape(faces_view(result).partition("<pre")[2].partition(">")[2].partition("</pre")[0]),
        "photo": photo_view(picture, result),
        "faces": faces_view(result),
        "live": frame_view(
            MARKUP, (200, 100), {1: shown}, {1: ([-0.5, 0.0], [shown.corrected] * 2, [90, 0])}, -1.0, 1.0
        ),
        "many": batch_view(batch),
        "video": analysis_view(Analysis(1, persons={1: person}, problem=SCRIPT), MARKUP),
        "about": about_view(evaluation, MARKUP, SCRIPT),
    }


@pytest.mark.parametrize("name", hostile_views())
def test_text_of_models_and_visitors_is_never_markup(name):
    html = hostile_views()[name]
    assert "&lt;script&gt;" in html
    assert "<script" not in html and "<img src=x" not in html
    assert_well_formed(html)
