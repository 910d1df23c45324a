"""app.py as a program: it serves a named endpoint that gives the predictor's figures, and fails in one sentence."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from conftest import tiny_config
from gradio.route_utils import delete_files_created_by_app
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_driver import ROOT, offline_environment, running_app
from PIL import Image

import app as app_module
from grefel_hf import FacialExpressionPredictor, GReFELForImageClassification, GReFELImageProcessor
from space.layout import build_page


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A tiny model with random weights: the page's behaviour does not depend on them."""
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(0)
    GReFELForImageClassification(tiny_config()).save_pretrained(folder)
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def app(checkpoint, tmp_path_factory):
    """Address and log of an app on that model; the environment variable names it, as on a Space."""
    folder = tmp_path_factory.mktemp("app")
    environment = offline_environment(GREFEL_MODEL=str(checkpoint), GRADIO_TEMP_DIR=str(folder / "uploads"))
    log = folder / "app.log"
    with running_app("--detector", "hog", log=log, environment=environment) as url:
        yield url, log


@pytest.fixture(scope="module")
def client(app) -> Client:
    return Client(app[0], verbose=False, analytics_enabled=False)


def refusal(client: Client, file: Path) -> str:
    """The message with which the endpoint refuses a file."""
    with pytest.raises(AppError) as raised:
        client.predict(handle_file(str(file)), api_name="/predict")
    return str(raised.value)


def test_the_only_public_endpoint_is_predict(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert list(endpoints) == ["/predict"]
    assert [parameter["parameter_name"] for parameter in endpoints["/predict"]["parameters"]] == ["photo"]
    assert [output["label"] for output in endpoints["/predict"]["returns"]] == ["Prediction"]
    assert "reliability balancing" in endpoints["/predict"]["description"]


def test_endpoint_gives_the_predictors_figures(client, checkpoint, astronaut_file):
    answer = client.predict(handle_file(str(astronaut_file)), api_name="/predict")
    predictor = FacialExpressionPredictor.from_pretrained(str(checkpoint), detector="hog")
    expected = json.loads(json.dumps(predictor(astronaut_file).to_dict()))
    assert answer.pop("source") == astronaut_file.name  # and not the server's path
    expected.pop("source")
    assert answer.keys() == expected.keys()
    assert len(answer["faces"]) == len(expected["faces"]) == 1
    face, wanted = answer["faces"][0], expected["faces"][0]
    assert face.keys() == wanted.keys()
    assert face["box"] == wanted["box"]
    for part in ("primary", "geometric", "attentive", "correction", "corrected", "confidences"):
        assert face[part] == pytest.approx(wanted[part], abs=1e-5), part
    np.testing.assert_allclose(face["attention_map"], wanted["attention_map"], atol=1e-5)


def test_a_photo_without_a_face_is_no_error(client, tmp_path):
    file = tmp_path / "grey.png"
    Image.new("RGB", (200, 150), "grey").save(file)
    answer = client.predict(handle_file(str(file)), api_name="/predict")
    assert (answer["faces"], answer["width"], answer["height"]) == ([], 200, 150)


def test_grey_palette_and_cmyk_photos_are_read(client, astronaut, tmp_path):
    for mode, suffix in (("L", "png"), ("P", "png"), ("CMYK", "jpg"), ("RGBA", "webp")):
        file = tmp_path / f"{mode}.{suffix}"
        astronaut.convert(mode).save(file)
        assert client.predict(handle_file(str(file)), api_name="/predict")["faces"], mode


@pytest.mark.parametrize("kind", ["text", "empty", "truncated"])
def test_bad_files_are_refused_in_one_sentence_without_a_traceback(app, client, astronaut_file, tmp_path, kind):
    content = {"text": b"no picture", "empty": b"", "truncated": astronaut_file.read_bytes()[:5000]}[kind]
    file = tmp_path / f"{kind}.png"
    file.write_bytes(content)
    message = refusal(client, file)
    assert message.count(".") == 1 and message.endswith(".") and "/" not in message
    assert "Traceback" not in app[1].read_text()


def test_uploads_are_deleted(checkpoint, astronaut_file, tmp_path, monkeypatch):
    """Gradio's cleaner knows every copy of an upload, and it runs often enough for the page's promise."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    page = build_page(FacialExpressionPredictor.from_pretrained(str(checkpoint), detector="hog"))
    assert sum(page.delete_cache) <= 600
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    try:
        client = Client(url, verbose=False, analytics_enabled=False)
        assert client.predict(handle_file(str(astronaut_file)), api_name="/predict")["faces"]
        assert list(tmp_path.rglob(astronaut_file.name))
        delete_files_created_by_app(page, age=0)
        assert list(tmp_path.rglob(astronaut_file.name)) == []
    finally:
        page.close()


def test_files_of_the_server_are_not_readable(app):
    """Paths that were not uploaded are refused, however a caller dresses them up."""
    secret = str(ROOT / "space" / "examples" / "eileen_collins.jpg")
    for payload in (
        {"path": secret},
        {"path": secret, "meta": {"_type": "gradio.FileData"}},
        {"url": f"file://{secret}"},
    ):
        request = urllib.request.Request(
            f"{app[0]}gradio_api/call/predict",
            data=json.dumps({"data": [payload]}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            event = json.load(answer)["event_id"]
        with urllib.request.urlopen(f"{app[0]}gradio_api/call/predict/{event}", timeout=120) as answer:
            text = answer.read().decode()
        assert "event: error" in text and "faces" not in text, payload


def test_the_flag_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("GREFEL_MODEL", "from/environment")
    assert app_module.parse_args([]).model == "from/environment"
    assert app_module.parse_args(["--model", "from/flag"]).model == "from/flag"
    monkeypatch.delenv("GREFEL_MODEL")
    assert app_module.parse_args([]).model is None


def test_demo_is_built_when_asked_for(checkpoint, monkeypatch):
    monkeypatch.setenv("GREFEL_MODEL", str(checkpoint))
    assert isinstance(app_module.demo, gr.Blocks)


@pytest.mark.parametrize("model", ["/nowhere/at/all", "{folder}"], ids=["no folder", "no model"])
def test_a_model_that_cannot_be_loaded_ends_in_one_line(tmp_path, model):
    model = model.format(folder=tmp_path)
    command = [sys.executable, "app.py", "--model", model, "--detector", "hog"]
    run = subprocess.run(command, cwd=ROOT, env=offline_environment(), capture_output=True, text=True, timeout=600)
    assert run.returncode == 1
    assert run.stdout == ""
    assert len(run.stderr.strip().splitlines()) == 1
    assert run.stderr.startswith("app.py: cannot load the model") and model in run.stderr
