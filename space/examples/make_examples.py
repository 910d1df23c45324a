"""
The page's examples, made of two portraits in the public domain, and examples.json, which says what each of them shows.

    python -m space.examples.make_examples [--check]

What depends on the model (a near tie, an answer that balancing changed, a failure) is searched for among pictures that
are made of the portraits, and has to hold with every detector at hand; what is not found is left out. --check makes
nothing and says what holds still, for instance of other weights.
"""

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from grefel_hf import FacialExpressionPredictor
from grefel_hf.faces.face import DetectorUnavailableError
from grefel_hf.results import FacePrediction
from space.sentences import NEAR_TIE, top_class

FOLDER = Path(__file__).parent
COLLINS, HOPPER = FOLDER / "eileen_collins.jpg", FOLDER / "grace_hopper.jpg"
SMILE = "happiness"  # what people call Eileen Collins' face
SIDE = 320  # pixels
WIDER = 2.0  # side of a portrait's square, in heights of the face's box


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether examples.json is true")
    return parser.parse_args()


def is_near_tie(faces: list[FacePrediction]) -> bool:
    return any(np.ptp(np.sort(face.corrected)[-2:]) < NEAR_TIE for face in faces)


def was_changed(faces: list[FacePrediction]) -> bool:
    return any(top_class(face, "primary")[0] != top_class(face, "corrected")[0] for face in faces)


def is_failure(faces: list[FacePrediction]) -> bool:
    """Of a picture of Eileen Collins smiling: no face is found, or an answer is given, and it is another."""
    return not faces or (faces[0].is_answerable is not False and faces[0].top_label != SMILE)


# What an example may be said to show, beside what it is by the way it was made.
CLAIMS: dict[str, Callable[[list[FacePrediction]], bool]] = {
    "near_tie": is_near_tie,
    "changed": was_changed,
    "failure": is_failure,
}
TITLES = {
    "near_tie": "Nearly a tie: her eyes, another’s smile",
    "changed": "Balancing changed the answer",
    "failure": "A failure: squeezed, her smile is missed",
}


def portrait(file: Path, predictor: FacialExpressionPredictor) -> Image.Image:
    """A square around the face of a portrait, whose face lies alike in all of them."""
    image = Image.open(file).convert("RGB")
    left, top, right, bottom = predictor(image).faces[0].box
    half, x, y = WIDER * (bottom - top) / 2, (left + right) / 2, (top + bottom) / 2
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=_inside(x, y, half, image.size))


def _inside(x: float, y: float, half: float, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """A square as far around a point as the picture allows."""
    half = min(half, x, y, size[0] - x, size[1] - y)
    return x - half, y - half, x + half, y + half


def in_between(one: Image.Image, other: Image.Image) -> Iterator[Image.Image]:
    """Both portraits laid over each other, in all shares, sharp and less so."""
    for radius in (0, 1, 2):
        for share in np.linspace(0.1, 0.9, 33):
            yield Image.blend(one, other, share).filter(ImageFilter.GaussianBlur(radius))


def upper_and_lower(upper: Image.Image, lower: Image.Image) -> Iterator[Image.Image]:
    """One portrait down to the mouth, the other below it; level and tilted, in colour and grey."""
    for border in np.linspace(0.63, 0.66, 7):
        mask = Image.new("L", upper.size)
        mask.paste(255, (0, round(border * SIDE), SIDE, SIDE))
        mixed = Image.composite(lower, upper, mask.filter(ImageFilter.GaussianBlur(14)))
        for angle in range(-15, 16, 5):
            tilted = mixed.rotate(angle, Image.Resampling.BICUBIC, fillcolor="#808080")
            yield from (tilted, ImageOps.grayscale(tilted).convert("RGB"))


def disturbed(smile: Image.Image) -> Iterator[Image.Image]:
    """A smile of which little can be seen: its mouth covered, in the dark, seen from afar, or squeezed."""
    for top in (0.56, 0.54, 0.52):
        covered = smile.copy()
        box = [SIDE * value for value in (0.3, top, 0.7, 0.75)]
        ImageDraw.Draw(covered).rounded_rectangle(box, radius=SIDE / 20, fill="#3d5a80")
        yield covered
    for side in (64, 56, 48, 40, 32):
        yield smile.resize((side, side), Image.Resampling.BOX).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    for radius in (4, 6, 8):
        yield smile.filter(ImageFilter.GaussianBlur(radius))
    for width in (0.55, 0.5, 0.45, 0.4):
        squeezed = Image.new("RGB", smile.size, "#7a8288")
        squeezed.paste(smile.resize((round(width * SIDE), SIDE)), (round((1 - width) * SIDE / 2), 0))
        yield squeezed


def group(one: Image.Image, other: Image.Image) -> Image.Image:
    """Four faces in one photo, of several sizes."""
    picture = Image.new("RGB", (2 * SIDE, SIDE + SIDE // 2), "#7a8288")
    small = SIDE * 3 // 4
    picture.paste(one, (0, 0))
    picture.paste(ImageOps.mirror(other), (SIDE, SIDE // 2))
    picture.paste(other.resize((small, SIDE // 2), box=(0, SIDE // 6, SIDE, SIDE * 5 // 6)), (0, SIDE))
    picture.paste(ImageOps.mirror(one).resize((small, SIDE // 2), box=(0, SIDE // 6, SIDE, SIDE * 5 // 6)), (SIDE, 0))
    return picture


def write_clip(file: Path, one: Image.Image, other: Image.Image, seconds: int = 4, rate: int = 10) -> None:
    """One portrait turns into the other."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = one.size
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "26"}
        for share in np.linspace(-0.2, 1.2, seconds * rate).clip(0, 1):
            container.mux(stream.encode(av.VideoFrame.from_image(Image.blend(one, other, share))))
        container.mux(stream.encode())


def found(claim: str, candidates: list[Image.Image], predictors: list[FacialExpressionPredictor]) -> bytes | None:
    """The first picture for which a claim holds whatever detector looks; None where there is none."""
    for picture in candidates:
        content = jpeg(picture)
        if all(holds(claim, content, predictor) for predictor in predictors):
            return content
    return None


def jpeg(picture: Image.Image) -> bytes:
    """A picture as it is written."""
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=88)
    return buffer.getvalue()


def holds(claim: str, picture: bytes, predictor: FacialExpressionPredictor) -> bool:
    """Whether there is at most one face in a picture, and it shows what is claimed."""
    faces = predictor(picture).faces
    return len(faces) <= 1 and CLAIMS[claim](faces)


def predictors_at_hand() -> list[FacialExpressionPredictor]:
    """The bundled model with YuNet, if its weights can be had, and with HOG."""
    found = []
    for detector in ("yunet", "hog"):
        try:
            found.append(FacialExpressionPredictor.from_pretrained(detector=detector))
        except DetectorUnavailableError as error:
            print(f"without {detector}: {error}", file=sys.stderr)
    return found


def check(predictors: list[FacialExpressionPredictor]) -> list[str]:
    """What examples.json says that does not hold, by file."""
    examples = json.loads((FOLDER / "examples.json").read_text(encoding="utf-8"))
    return [
        f"{example['file']} does not show {example['shows']} with {predictor.detector.name}"
        for example in examples
        if example["shows"]
        for predictor in predictors
        if not holds(example["shows"], (FOLDER / example["file"]).read_bytes(), predictor)
    ]


def make(predictors: list[FacialExpressionPredictor]) -> list[dict[str, str | None]]:
    """Write the pictures and the clip; gives the entries of examples.json."""
    collins, hopper = (portrait(file, predictors[0]) for file in (COLLINS, HOPPER))
    entries = [
        {"file": COLLINS.name, "title": "Eileen Collins (NASA)", "shows": None},
        {"file": HOPPER.name, "title": "Grace Hopper (US Navy)", "shows": None},
        {"file": "group.jpg", "title": "A group", "shows": None},
        {"file": "turned.jpg", "title": "A turned photo", "shows": None},
    ]
    pictures = {
        "group.jpg": jpeg(group(collins, hopper)),
        "turned.jpg": jpeg(hopper.transpose(Image.Transpose.ROTATE_90)),
    }
    between = [*upper_and_lower(hopper, collins), *in_between(collins, hopper)]
    candidates = {"near_tie": between, "changed": between, "failure": list(disturbed(collins))}
    for claim in CLAIMS:
        file = f"{claim}.jpg"
        (FOLDER / file).unlink(missing_ok=True)
        if (picture := found(claim, candidates[claim], predictors)) is None:
            print(f"no picture shows {claim}: left out", file=sys.stderr)
            continue
        pictures[file] = picture
        entries.append({"file": file, "title": TITLES[claim], "shows": claim})
    for file, picture in pictures.items():
        (FOLDER / file).write_bytes(picture)
    write_clip(FOLDER / "clip.mp4", hopper, collins)
    return entries


def main(args: argparse.Namespace) -> None:
    predictors = predictors_at_hand()
    if not args.check:
        entries = make(predictors)
        (FOLDER / "examples.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    if wrong := check(predictors):
        sys.exit("\n".join(wrong))
    print("examples.json holds with " + " and ".join(predictor.detector.name for predictor in predictors))


if __name__ == "__main__":
    main(parse_args())
