"""train/push_to_hub.py as a program, and everything that loads what it pushed; against a Hub on loopback."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from grefel_hf import FacialExpressionPredictor, GReFELForImageClassification, GReFELImageProcessor
from tests.helpers import REPOSITORY, page_driver
from tests.helpers.fresh_process import WITHOUT_PACKAGE, check_loaded, load_in_fresh_process
from tests.helpers.hub_server import WRITE_TOKEN, running_hub
from tests.helpers.trained_run import write_run


@pytest.fixture(scope="module")
def best(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def hub(best, tmp_path_factory):
    """A Hub to which the script has pushed the model `user/grefel` and the Space `user/page`."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with running_hub() as server:
        command = [sys.executable, REPOSITORY / "train" / "push_to_hub.py", best, "user/grefel"]
        environment = {
            **{"PATH": "/usr/bin:/bin", "HOME": str(folder), "HF_TOKEN": WRITE_TOKEN},
            **server.environment(),
        }
        done = subprocess.run(
            [*map(str, command), "--space", "user/page"], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [f"{server.url}/user/grefel", f"{server.url}/spaces/user/page"]
        yield server


def test_loads_without_the_package_from_an_empty_cache(hub, best, tmp_path):
    image = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(image)
    trust = "dict(trust_remote_code=True)"
    result = load_in_fresh_process("user/grefel", image, tmp_path, WITHOUT_PACKAGE, trust, **hub.environment())
    assert all(name.startswith("transformers_modules.user.grefel.") for name in result["modules"])
    model = GReFELForImageClassification.from_pretrained(best).eval()
    check_loaded(result, model, GReFELImageProcessor.from_pretrained(best), image)


@pytest.mark.parametrize("source", ["repository", "space"])
def test_the_app_answers_with_the_pushed_model(hub, best, source, tmp_path, monkeypatch, astronaut_file):
    """The page of the repository, and that of the Space: in a folder with nothing but what was pushed."""
    if source == "space":
        for path, content in hub.files("user/page", kind="spaces").items():
            (tmp_path / "space" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "space" / path).write_bytes(content)
        monkeypatch.setattr(page_driver, "ROOT", tmp_path / "space")
    model = hub.repositories["spaces", "user/page"].variables["GREFEL_MODEL"]
    assert model == "user/grefel"
    environment = page_driver.offline_environment(
        **hub.environment(GREFEL_MODEL=model, HF_HOME=str(tmp_path / "home"), GRADIO_TEMP_DIR=str(tmp_path / "uploads"))
    )
    with page_driver.running_app("--detector", "hog", log=tmp_path / "log", environment=environment) as url:
        client = Client(url, verbose=False, analytics_enabled=False)
        answer = client.predict(handle_file(str(astronaut_file)), api_name="/predict")
    assert list((tmp_path / "home" / "hub").glob("models--user--grefel/snapshots/*/model.safetensors"))
    expected = FacialExpressionPredictor.from_pretrained(best, detector="hog")(astronaut_file).faces[0]
    assert answer["faces"][0]["corrected"] == pytest.approx(expected.distribution("corrected"), abs=1e-5)
