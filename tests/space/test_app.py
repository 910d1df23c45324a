"""app.py as a program: it serves named endpoints that give the library's figures, and fails in one sentence."""

import ast
import asyncio
import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from PIL import Image

import app as app_module
from grefel_hf import FacialExpressionPredictor, faces_table
from grefel_hf.comparison import compare_balancing
from space.api import description
from space.tabs.about import examples
from tests.helpers.page_driver import ROOT, offline_environment
from tests.helpers.video_clips import read_pictures, scene, write_clip

PARTS = ("primary", "geometric", "attentive", "correction", "corrected", "confidences")


@pytest.fixture(scope="module")
def client(tiny_app) -> Client:
    return Client(tiny_app.url, verbose=False, analytics_enabled=False)


@pytest.fixture(scope="module")
def tiny_predictor(tiny_checkpoint) -> FacialExpressionPredictor:
    return FacialExpressionPredictor.from_pretrained(str(tiny_checkpoint), detector="hog")


def test_endpoints_have_names_labels_and_descriptions(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert {
        name: ([p["parameter_name"] for p in api["parameters"]], [output["label"] for output in api["returns"]])
        for name, api in endpoints.items()
    } == {
        "/predict": (["photo"], ["Prediction"]),
        "/compare": (["photo"], ["Comparison"]),
        "/occlusion": (["photo"], ["Occlusions"]),
        "/many_photos": (["photos"], ["Photos", "CSV", "Not read"]),
        "/video": (["video", "smoothing"], ["Persons", "CSV", "Annotated video"]),
        "/figures": ([], ["Figures"]),
    }
    for name, api in endpoints.items():
        assert "Returns:" in api["description"] and "\n " not in api["description"], name
    assert "reliability balancing" in endpoints["/predict"]["description"]


def test_predict_gives_the_predictors_figures(client, tiny_predictor, astronaut_file):
    answer = client.predict(handle_file(str(astronaut_file)), api_name="/predict")
    expected = json.loads(json.dumps(tiny_predictor(astronaut_file).to_dict()))
    assert answer.pop("source") == astronaut_file.name  # and not the server's path
    expected.pop("source")
    assert answer.keys() == expected.keys()
    assert len(answer["faces"]) == len(expected["faces"]) == 1
    face, wanted = answer["faces"][0], expected["faces"][0]
    assert face.keys() == wanted.keys()
    assert face["box"] == wanted["box"]
    for part in PARTS:
        assert face[part] == pytest.approx(wanted[part], abs=1e-5), part
    np.testing.assert_allclose(face["attention_map"], wanted["attention_map"], atol=1e-5)


def test_compare_gives_the_setups_of_each_face(client, tiny_predictor, astronaut_file):
    faces = client.predict(handle_file(str(astronaut_file)), api_name="/compare")["faces"]
    expected = compare_balancing(tiny_predictor(astronaut_file).faces[0])
    assert len(faces) == 1 and len(faces[0]["setups"]) == len(expected) == 4
    for setup, wanted in zip(faces[0]["setups"], expected):
        assert setup["distribution"] == pytest.approx(wanted.to_dict()["distribution"], abs=1e-5)


def test_many_photos_gives_a_table_and_names_what_it_could_not_read(client, tiny_predictor, astronaut_file, tmp_path):
    grey, broken = tmp_path / "grey.png", tmp_path / "broken.jpg"
    Image.new("RGB", (200, 150), "grey").save(grey)
    broken.write_text("no picture")
    files = [handle_file(str(file)) for file in (broken, astronaut_file, grey)]
    photos, csv, problems = client.predict(files, api_name="/many_photos")
    assert [(photo["name"], len(photo["faces"])) for photo in photos] == [(astronaut_file.name, 1), ("grey.png", 0)]
    assert [problem["name"] for problem in problems] == ["broken.jpg"]
    expected = faces_table([tiny_predictor(astronaut_file)])
    header, row = csv.strip().splitlines()
    assert header == ",".join(expected.columns)
    assert row.startswith(f"{astronaut_file.name},1,")


def test_video_gives_timelines_and_an_annotated_copy(client, astronaut, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, 20 + index) for index in range(12)])
    persons, csv, annotated = client.predict(handle_file(str(clip)), 0, api_name="/video")
    assert [person["person"] for person in persons] == [1]
    assert persons[0]["to"] > persons[0]["from"] == 0
    assert sum(persons[0]["distribution"].values()) == pytest.approx(1, abs=1e-4)
    rows = csv.strip().splitlines()
    assert rows[0].startswith("frame,time,person,") and len(rows) == 1 + 6  # 10 frames a second, 5 analysed
    pictures, _ = read_pictures(Path(annotated))
    assert len(pictures) == 12


def test_figures_are_those_of_the_models_evaluation(client, tiny_checkpoint):
    evaluation = json.loads((tiny_checkpoint / "evaluation.json").read_text())
    figures = client.predict(api_name="/figures")
    assert figures["corrected"]["accuracy"] == evaluation["plain"]["corrected"]["accuracy"]
    assert figures["measured_on"]["dataset"] == evaluation["dataset"]


def test_an_assistant_finds_and_calls_the_tools(tiny_app, client, astronaut_file):
    """The MCP server, through the protocol's own client."""
    expected = client.predict(handle_file(str(astronaut_file)), api_name="/predict")

    async def talk():
        async with streamablehttp_client(f"{tiny_app.url}gradio_api/mcp/") as (read, write, _):
            async with ClientSession(read, write) as session:
                await session.initialize()
                tools = (await session.list_tools()).tools
                content = base64.b64encode(astronaut_file.read_bytes()).decode()
                answer = await session.call_tool("predict", {"photo": f"data:image/png;base64,{content}"})
                refusal = await session.call_tool("predict", {"photo": "/etc/passwd"})
                return tools, answer, refusal

    tools, answer, refusal = asyncio.run(talk())
    assert {tool.name for tool in tools} == {"predict", "compare", "occlusion", "many_photos", "video", "figures"}
    by_name = {tool.name: tool for tool in tools}
    assert "expression of every face" in by_name["predict"].description
    assert by_name["predict"].inputSchema["required"] == ["photo"]
    assert "image file" in json.dumps(by_name["predict"].inputSchema)
    assert not answer.isError
    faces = ast.literal_eval(answer.content[0].text)["faces"]
    assert faces[0]["corrected"] == pytest.approx(expected["faces"][0]["corrected"], abs=1e-5)
    assert refusal.isError and "root" not in json.dumps([item.text for item in refusal.content])


@pytest.mark.parametrize("example", [examples.CLIENT, examples.CURL], ids=["gradio_client", "curl"])
def test_the_examples_on_the_page_run(example, tiny_app, astronaut, tmp_path):
    astronaut.save(tmp_path / "photo.jpg")
    code = example.format(address=tiny_app.url.rstrip("/"))
    shell = example is examples.CURL
    if shell and shutil.which("curl") is None:
        pytest.skip("no curl is installed")
    command = ["bash", "-c", code] if shell else [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, env=offline_environment(), capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    labels = ("neutral", "happiness", "surprise")
    assert any(label in run.stdout for label in labels)
    assert "event: complete" in run.stdout or not shell


def test_descriptions_leave_out_arguments_and_line_breaks():
    def function(photo):
        """
        Do one
        thing.

        Args:
            photo: a file
                of a kind.

        Returns:
            What it
            is.
        """

    assert description(function) == "Do one thing.\n\nReturns: What it is."


def test_the_flag_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("GREFEL_MODEL", "from/environment")
    assert app_module.parse_args([]).model == "from/environment"
    assert app_module.parse_args(["--model", "from/flag"]).model == "from/flag"
    monkeypatch.delenv("GREFEL_MODEL")
    assert app_module.parse_args([]).model is None


def test_the_container_serves_at_the_port_that_it_exposes():
    steps = dict(line.split(" ", 1) for line in (ROOT / "Dockerfile").read_text().splitlines() if line[:1].isupper())
    python, program, *flags = json.loads(steps["ENTRYPOINT"])
    args = app_module.parse_args(flags)
    assert (python, program, args.host, args.port) == ("python", "app.py", "0.0.0.0", int(steps["EXPOSE"]))


def test_demo_is_built_when_asked_for(tiny_checkpoint, monkeypatch):
    monkeypatch.setenv("GREFEL_MODEL", str(tiny_checkpoint))
    assert isinstance(app_module.demo, gr.Blocks)


def test_a_model_that_does_not_exist_ends_in_one_line():
    command = [sys.executable, "app.py", "--model", "/nowhere/at/all", "--detector", "hog"]
    run = subprocess.run(command, cwd=ROOT, env=offline_environment(), capture_output=True, text=True, timeout=600)
    assert run.returncode == 1
    assert run.stdout == ""
    assert len(run.stderr.strip().splitlines()) == 1
    assert run.stderr.startswith("app.py: cannot load the model /nowhere/at/all")


@pytest.mark.parametrize("kind", ["no model", "damaged weights", "no detector weights", "Hub out of reach"])
def test_what_is_missing_is_said_in_one_sentence(tmp_path, tiny_checkpoint, monkeypatch, kind):
    model, detector = str(tmp_path / "model"), "hog"
    if kind == "no model":
        Path(model).mkdir()
    elif kind == "damaged weights":
        shutil.copytree(tiny_checkpoint, model)
        weights = Path(model, "model.safetensors")
        weights.write_bytes(weights.read_bytes()[:1000])
    elif kind == "no detector weights":
        model, detector = str(tiny_checkpoint), "yunet"
        monkeypatch.setenv("GREFEL_YUNET", "/nowhere/yunet.onnx")
    else:
        model = "somebody/some-model"
    with pytest.raises(SystemExit) as ended:
        app_module.load_predictor(model, detector)
    message = str(ended.value)
    assert message.startswith(f"app.py: cannot load the model {model}") and "\n" not in message
    assert "/nowhere/yunet.onnx" in message or detector == "hog"


def test_a_port_that_cannot_be_had_is_said_in_one_sentence():
    with gr.Blocks() as page:
        gr.HTML()
    with pytest.raises(SystemExit, match="^app.py: cannot listen on port 99999 .*--port$"):
        app_module.launch(page, server_name=None, server_port=99999)
