"""Auto classes and pipelines, each from a fresh process: with the package, and with code that travels along."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import REPOSITORY, tiny_config
from PIL import Image

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.remote_code import save_with_code

LOAD = """
import json, sys
import torch
from PIL import Image
from transformers import (
    AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageClassification, pipeline,
)
{prelude}
folder, image = sys.argv[1:]
options = {options}
config = AutoConfig.from_pretrained(folder, **options)
processor = AutoImageProcessor.from_pretrained(folder, **options)
pixels = processor(Image.open(image), return_tensors="pt")["pixel_values"]
with torch.no_grad():
    embedding = AutoModel.from_pretrained(folder, **options).eval()(pixels).pooler_output
    model = AutoModelForImageClassification.from_pretrained(folder, **options).eval()
    output = model(pixels)
pipe = pipeline("image-classification", model=folder, **options)
modes = [Image.open(image).convert(mode) for mode in ("L", "RGBA", "P")]
print(json.dumps({{
    "modules": [type(x).__module__ for x in (config, processor, model)],
    "embedding": embedding[0].tolist(),
    "corrected": output.logits.softmax(-1)[0].tolist(),
    "pipeline": pipe(Image.open(image), top_k=3),
    "modes": pipe(modes, batch_size=2, top_k=3),
}}))
"""


@pytest.fixture(scope="module")
def model() -> GReFELForImageClassification:
    torch.manual_seed(0)
    return GReFELForImageClassification(tiny_config()).eval()


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    file = tmp_path_factory.mktemp("image") / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(file)
    return file


def processor() -> GReFELImageProcessor:
    return GReFELImageProcessor(size={"height": 64, "width": 64})


def load_in_fresh_process(folder, image, cwd, prelude: str = "", options: str = "{}", cache=None) -> dict:
    script = LOAD.format(prelude=prelude, options=options)
    environment = {"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "HF_HOME": str(cache), "HOME": str(cache)}
    command = [sys.executable, "-P", "-c", script, str(folder), str(image)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def check(result: dict, model, image):
    pixels = processor()(Image.open(image), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = model(pixels)
    corrected = expected.logits.softmax(-1)[0]
    torch.testing.assert_close(torch.tensor(result["embedding"]), expected.embedding[0])
    torch.testing.assert_close(torch.tensor(result["corrected"]), corrected)
    by_label = {row["label"]: row["score"] for row in result["pipeline"]}
    assert by_label == pytest.approx({model.config.id2label[i]: p for i, p in enumerate(corrected.tolist())}, abs=1e-5)
    for rows in result["modes"]:
        assert sum(row["score"] for row in rows) == pytest.approx(1.0, abs=1e-5)


def test_with_the_package(model, image, tmp_path):
    folder = tmp_path / "plain"
    model.save_pretrained(folder)
    processor().save_pretrained(folder)
    prelude = f"sys.path.insert(0, {str(REPOSITORY)!r}); import grefel_hf"
    result = load_in_fresh_process(folder, image, tmp_path, prelude, cache=tmp_path / "cache")
    assert all(name.startswith("grefel_hf.") for name in result["modules"])
    check(result, model, image)


def test_from_a_folder_with_its_own_code_and_without_the_package(model, image, tmp_path):
    folder = tmp_path / "with-code"
    save_with_code(model, processor(), folder)
    block = "sys.modules['grefel_hf'] = None  # importing the package fails from here on"
    result = load_in_fresh_process(
        folder, image, tmp_path, block, "dict(trust_remote_code=True)", cache=tmp_path / "cache"
    )
    assert all(name.startswith("transformers_modules.") for name in result["modules"])
    check(result, model, image)
