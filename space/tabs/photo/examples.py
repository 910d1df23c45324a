"""The examples that lie in space/examples, of which its README tells the licences."""

import json
from pathlib import Path

from PIL import Image

from ...data_uris import jpeg_uri
from ...rendering import render

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLE = FOLDER / "eileen_collins.jpg"
CLIP = FOLDER / "clip.mp4"
THUMBNAIL_SIDE = 80  # pixels
# Tells which one was clicked; `element` holds templates/photo/examples.
SCRIPT = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-example]");
  if (!button) return;
  startLoading(button.querySelector("img").src);
  trigger("click", { name: button.dataset.example });
});
"""


def examples() -> list[dict[str, str | None]]:
    """File, title and what each of them shows of the model's ways, None for nothing in particular."""
    return json.loads((FOLDER / "examples.json").read_text(encoding="utf-8"))


def examples_view() -> str:
    """A button for each."""
    shown = [
        example | {"thumbnail": jpeg_uri(Image.open(FOLDER / example["file"]).convert("RGB"), THUMBNAIL_SIDE)}
        for example in examples()
    ]
    return render("photo/examples", examples=shown)


def example_file(name: str) -> str | None:
    """The path of an example; None where there is none of that name."""
    return next((str(FOLDER / name) for example in examples() if example["file"] == name), None)
