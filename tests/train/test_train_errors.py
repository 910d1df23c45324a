"""What ends a run with a sentence instead of a traceback, in the real program."""

import json

import pytest

from tests.helpers.launch import run
from tests.helpers.training_runs import write_faces, write_recipe

# One process for all cases, as each start takes seconds.
PROGRAM = """
import json, sys
import train
results = {}
for name, words in json.loads(sys.argv[1]).items():
    try:
        train.main(train.parse_args(words))
        results[name] = "no error"
    except SystemExit as end:
        results[name] = str(end)
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def endings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("errors")
    faces, broken = write_faces(folder / "faces", 40), write_faces(folder / "broken", 40)
    (broken / "anger" / "0.png").write_bytes(b"no picture")
    used = folder / "used"
    (used / "checkpoint-4").mkdir(parents=True)
    recipe = write_recipe(folder / "tiny.yaml")

    def words(name, *flags, data=faces):
        out = ["--output_dir", folder / name]
        return [str(word) for word in ("--config", recipe, "--train_dir", data, *out, *flags)]

    # The first step has rate 0, the second the impossible one; an epoch has four.
    diverging = ["--warmup_steps", 1, "--per_device_train_batch_size", 8]
    cases = {
        "model": words("model", "--model.num_anchors", 0),
        "type": words("type", "--model.num_anchors", "many"),
        "data": words("data", data=folder / "nowhere"),
        "backbone": words("backbone", "--image_backbone", "nothing.safetensors"),
        "checkpoint": words("checkpoint", "--model_name_or_path", folder / "no-model"),
        "batch": words("batch", "--per_device_train_batch_size", 100),
        "resize": words("resize", "--resize_size", 32),
        "freeze": words("freeze", "--freeze_modules", "heads"),
        "used": words("used"),
        "file": words("tiny.yaml"),
        "resume": words("resume", "--resume_from_checkpoint", used / "checkpoint-4"),
        "tracker": words("tracker", "--report_to", "wandb"),
        "fp16": words("fp16", "--mixed_precision", "fp16"),
        "sync": words("sync", "--sync_batch_norm"),
        "image": words("image", data=broken),
        "nan": words("nan", "--learning_rate", 1e30, *diverging),
        "weights": words("weights", "--learning_rate", 2e37, "--checkpointing_steps", 1, *diverging),
    }
    done = run("-c", PROGRAM, json.dumps(cases))
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("case", "parts"),
    [
        ("model", ["Cannot start training", "num_anchors"]),
        ("type", ["Cannot start training", "num_anchors", "many"]),
        ("data", ["nowhere"]),
        ("backbone", ["nothing.safetensors", "prepare_backbone.py"]),
        ("checkpoint", ["no-model"]),
        ("batch", ["no whole batch of 100", "--per_device_train_batch_size"]),
        ("resize", ["--resize_size 32", "64"]),
        ("freeze", ["--freeze_modules", "'heads'", "primary_head"]),
        ("file", ["tiny.yaml is a file and no folder"]),
        ("used", ["has checkpoints of an earlier run", "--resume_from_checkpoint latest", "--overwrite_output_dir"]),
        ("resume", ["checkpoint-4 was not written by this train/train.py"]),
        ("tracker", ["pip install wandb"]),
        ("fp16", ["fp16"]),
        ("sync", ["--sync_batch_norm"]),
        ("image", ["Training ended early", "0.png", "--on_bad_image skip"]),
        ("nan", ["Training ended early", "The loss became nan in epoch 1, after 2", "Lower --learning_rate"]),
        ("weights", ["Training ended early", "the weights became", "in epoch 1, after 2"]),
    ],
)
def test_the_sentence_names_what_is_wrong(endings, case, parts):
    ending = endings[1][case]
    assert all(part in ending for part in parts), ending
    assert "Traceback" not in ending


def test_no_checkpoint_holds_weights_that_are_no_numbers(endings):
    assert [path.name for path in (endings[0] / "weights").glob("checkpoint-*")] == ["checkpoint-1"]
