"""Loading a checkpoint in a process of its own, which may lack the package, and checking what comes of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

LOAD = """
import json, sys
import torch
from PIL import Image
from transformers import (
    AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageClassification, pipeline,
)
{prelude}
image, *sources = sys.argv[1:]
options = {options}


def load(source):
    config = AutoConfig.from_pretrained(source, **options)
    processor = AutoImageProcessor.from_pretrained(source, **options)
    pixels = processor(Image.open(image), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        embedding = AutoModel.from_pretrained(source, **options).eval()(pixels).pooler_output
        model = AutoModelForImageClassification.from_pretrained(source, **options).eval()
        output = model(pixels)
    pipe = pipeline("image-classification", model=source, **options)
    finder = pipeline("facial-expression-recognition", model=source, **options)
    modes = [Image.open(image).convert(mode) for mode in ("L", "RGBA", "P")]
    return {{
        "modules": [type(x).__module__ for x in (config, processor, model, pipe.model, pipe.image_processor, finder)],
        "embedding": embedding[0].tolist(),
        "logits": output.logits[0].tolist(),
        "pipeline": pipe(Image.open(image), top_k=3),
        "modes": pipe(modes, batch_size=2, top_k=3),
        "faces": finder(image, detector="none"),
    }}


print(json.dumps([load(source) for source in sources]))
"""
WITHOUT_PACKAGE = "sys.modules['grefel_hf'] = None  # importing the package fails from here on"


def load_in_fresh_process(
    source: str | Path, image: Path, folder: Path, prelude: str = "", options: str = "{}", **environment: str
) -> dict:
    """`load_all_in_fresh_process` of one source."""
    return load_all_in_fresh_process([source], image, folder, prelude, options, **environment)[0]


def load_all_in_fresh_process(
    sources: list[str | Path], image: Path, folder: Path, prelude: str = "", options: str = "{}", **environment: str
) -> list[dict]:
    """
    What Auto classes and the pipelines make of each of `sources` (folders or Hub ids) and an image file.

    Args:
        folder: working folder, and home of the caches, which are empty if it is.
        prelude: code that runs before anything is loaded.
        options: keyword arguments of all loading calls, as a Python expression.
        environment: added to the process's few variables; it is offline unless they say otherwise.
    """
    script = LOAD.format(prelude=prelude, options=options)
    home = str(folder / "home")
    environment = {"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "HF_HOME": home, "HOME": home, **environment}
    environment.setdefault("OMP_NUM_THREADS", "1")
    command = [sys.executable, "-P", "-c", script, str(image), *map(str, sources)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # nothing else: no question whether to trust code


def check_loaded(result: dict, model, processor, image: Path):
    """The other process got the numbers that `model` gives here."""
    pixels = processor(Image.open(image), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = model(pixels)
    corrected = expected.logits.softmax(-1)[0]
    torch.testing.assert_close(torch.tensor(result["embedding"]), expected.embedding[0])
    torch.testing.assert_close(torch.tensor(result["logits"]), expected.logits[0])
    by_label = {row["label"]: row["score"] for row in result["pipeline"]}
    assert by_label == pytest.approx({model.config.id2label[i]: p for i, p in enumerate(corrected.tolist())}, abs=1e-5)
    (face,) = result["faces"]
    assert face["distribution"] == pytest.approx(by_label, abs=1e-5)
    assert [face["box"][name] for name in ("xmax", "ymax")] == list(Image.open(image).size)
    for rows in result["modes"]:
        assert sum(row["score"] for row in rows) == pytest.approx(1.0, abs=1e-5)
