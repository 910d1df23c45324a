"""What a user does: Trainer fine-tunes the bundled checkpoint, both ways of pushing, and strangers load the results."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.helpers import REPOSITORY
from tests.helpers.fresh_process import WITHOUT_PACKAGE, load_all_in_fresh_process
from tests.helpers.hub_server import WRITE_TOKEN, running_hub

FINE_TUNE = """
import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification, Trainer, TrainingArguments
from grefel_hf.checkpoint import BUNDLED_CHECKPOINT

names = ["calm", "glad", "sad"]
model = AutoModelForImageClassification.from_pretrained(
    BUNDLED_CHECKPOINT, num_labels=3, id2label=dict(enumerate(names)), label2id={{n: i for i, n in enumerate(names)}},
    ignore_mismatched_sizes=True,
)
processor = AutoImageProcessor.from_pretrained(BUNDLED_CHECKPOINT)
images = np.random.default_rng(0).integers(0, 256, (5, 48, 48, 3), dtype=np.uint8)
pixels = processor([Image.fromarray(image) for image in images], return_tensors="pt")["pixel_values"]
rows = [{{"pixel_values": pixels[i], "labels": i % 3}} for i in range(5)]
arguments = TrainingArguments(
    "run", num_train_epochs=1, per_device_train_batch_size=4, report_to="none", use_cpu=True, save_strategy="no",
    hub_model_id="user/trained", hub_token={token!r}, push_to_hub=True, disable_tqdm=True,
)
trainer = Trainer(model=model, args=arguments, train_dataset=rows, processing_class=processor)
trainer.train()
trainer.push_to_hub()
model.push_to_hub("user/plain")
processor.push_to_hub("user/plain")
again = AutoModelForImageClassification.from_pretrained("user/plain")
again.push_to_hub("user/again")
AutoImageProcessor.from_pretrained("user/plain").push_to_hub("user/again")
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    with running_hub() as server:
        script = FINE_TUNE.format(token=WRITE_TOKEN)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "HF_TOKEN": WRITE_TOKEN, **server.environment()}
        environment |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-P", "-c", script]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        yield server


def test_strangers_load_what_was_pushed_by_either_way_and_pushed_again(hub, tmp_path):
    image = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(image)
    names = ("trained", "plain", "again")
    repositories = [f"user/{name}" for name in names]
    trust = "dict(trust_remote_code=True)"
    results = load_all_in_fresh_process(repositories, image, tmp_path, WITHOUT_PACKAGE, trust, **hub.environment())
    for name, result in zip(names, results):
        assert all(module.startswith(f"transformers_modules.user.{name}.") for module in result.pop("modules"))
    trained, plain, again = results
    assert {row["label"] for row in plain["pipeline"]} == {"calm", "glad", "sad"}
    assert trained == plain == again
