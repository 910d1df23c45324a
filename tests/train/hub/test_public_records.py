"""Records that go to the Hub tell nothing of the machine, and no secret."""

import pytest
import yaml

from grefel_train.hub.public_records import public_log, public_record, public_text, recipe_text
from tests.helpers.trained_run import MACHINE, SECRET, results


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("/home/somebody/my faces/train", "train"),
        ("/data/ferplus/", "ferplus"),
        ("~/faces", "faces"),
        (r"C:\Users\me\my faces", "my faces"),
        (r"\\server\share\faces", "faces"),
        ("/", "..."),
        ("../shared/data/ferplus", "ferplus"),
        ("cannot read /home/me/1.jpg: it is empty", "cannot read 1.jpg: it is empty"),
        ("kept 'C:/me/1.jpg', dropped (/tmp/2.jpg)", "kept '1.jpg', dropped (2.jpg)"),
        (
            "/home/me/train.py --output_dir='/home/some one/my runs/1' --seed 0 --train_dir /data/x",
            "train.py --output_dir='1' --seed 0 --train_dir x",
        ),
        ("the token hf_abcdefghijklmnop failed", "the token hf_... failed"),
        # what stays
        ("train/configs/finetune.yaml", "train/configs/finetune.yaml"),
        ("user/faces", "user/faces"),
        ("accuracy 1/2, and/or 3 / 4", "accuracy 1/2, and/or 3 / 4"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("2.13.0+cpu", "2.13.0+cpu"),
    ],
)
def test_text(text, public):
    assert public_text(text) == public


def test_records_lose_secrets_at_any_depth_and_keep_numbers():
    record = {"a": [1.5, None, True, {"hub_token": "x", "WANDB_API_KEY": "y", "paths": ("/a/b", "c/d")}], "seed": 0}
    assert public_record(record) == {"a": [1.5, None, True, {"paths": ["b", "c/d"]}], "seed": 0}


def test_log_without_the_line_that_was_cut_short(tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text('{"loss": 1.0}\n{"skipped": "/home/me/1.jpg"}\n{"loss')
    assert public_log(file) == '{"loss": 1.0}\n{"skipped": "1.jpg"}\n'


def test_recipe_has_the_settings_and_nothing_of_the_machine():
    text = recipe_text(results())
    recipe = yaml.safe_load(text)
    assert recipe["learning_rate"] == 5e-4 and recipe["seed"] == 7 and recipe["model"] == {"classifier_dropout": 0.2}
    assert not {"output_dir", "train_dir", "config", "push_to_hub", "hub_model_id", "max_train_steps"} & recipe.keys()
    assert MACHINE not in text and SECRET not in text
