"""Checkpoints of strangers: whatever is wrong with one is refused in one sentence, and nothing is made up."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from grefel_hf import GReFELForImageClassification
from grefel_hf.__main__ import main
from grefel_hf.hub import WEIGHTS_FILE
from grefel_hf.loading import load_checkpoint


@pytest.fixture
def checkpoint(tiny_checkpoint, tmp_path):
    """A copy to damage."""
    return shutil.copytree(tiny_checkpoint, tmp_path / "model")


def change_json(file, **entries):
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def change_weights(folder, **tensors):
    """Replace tensors; None takes one out."""
    weights = load_file(folder / WEIGHTS_FILE) | {name.replace("__", "."): value for name, value in tensors.items()}
    save_file({k: v for k, v in weights.items() if v is not None}, folder / WEIGHTS_FILE, {"format": "pt"})


def config(**entries):
    return lambda folder: change_json(folder / "config.json", **entries)


def processor(**entries):
    return lambda folder: change_json(folder / "preprocessor_config.json", **entries)


def weights(**tensors):
    return lambda folder: change_weights(folder, **tensors)


def only_x(folder):
    save_file({"x": torch.zeros(1)}, folder / WEIGHTS_FILE, {"format": "pt"})


def truncated(folder):
    file = folder / WEIGHTS_FILE
    file.write_bytes(file.read_bytes()[:1000])


def garbage(folder):
    (folder / WEIGHTS_FILE).write_bytes(b"<html>" * 1_000_000)


def pickled(folder):
    torch.save(load_file(folder / WEIGHTS_FILE), folder / "pytorch_model.bin")
    (folder / WEIGHTS_FILE).unlink()


def many_tensors(folder):
    names = json.dumps(
        {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(30_000)}
    ).encode()
    (folder / WEIGHTS_FILE).write_bytes(len(names).to_bytes(8, "little") + names)


def files_elsewhere(folder):
    index = {"metadata": {}, "weight_map": {name: "../model.safetensors" for name in load_file(folder / WEIGHTS_FILE)}}
    shutil.move(folder / WEIGHTS_FILE, folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


NEGATIVE_VARIANCE = {"primary_head__hidden__0__2__running_var": torch.full((16,), -1.0)}
DAMAGES = {
    "one tensor named x": (only_x, "lack|no place|asks for"),
    "a missing head": (weights(primary_head__output__bias=None), "lack primary_head.output.bias"),
    "a tensor too many": (weights(x=torch.zeros(1)), "no place for, x"),
    "another shape": (weights(primary_head__output__bias=torch.zeros(9)), "another shape .* primary_head.output.bias"),
    "NaN": (weights(primary_head__output__bias=torch.full((3,), torch.nan)), "infinite or no numbers"),
    "infinity": (weights(anchors__positions=torch.full((3, 3, 32), torch.inf)), "infinite or no numbers"),
    "a negative variance": (weights(**NEGATIVE_VARIANCE), "no distribution"),
    "a truncated file": (truncated, "cannot be loaded"),
    "a file of something else": (garbage, "cannot be loaded"),
    "a pickle": (pickled, "has no model.safetensors"),
    "a deviation of 0": (processor(image_std=[0, 0, 0]), "image_mean, image_std"),
    "a mean of NaN": (processor(image_mean=[float("nan")] * 3), "image_mean, image_std"),
    "a processor of 30,000": (processor(size={"height": 30000, "width": 30000}), "image processor makes"),
    "a processor that does not resize": (processor(do_resize=False), "image processor makes"),
    "a size of text": (processor(size="many"), "cannot be loaded"),
    "a side of 30,000": (config(image_size=30000), "image_size is 30000: it must be from 1 to 1024"),
    "a width of 2e9": (config(hidden_size=2_000_000_000), "hidden_size .* from 1 to"),
    "a negative width": (config(intermediate_size=-4), "intermediate_size .* from 1 to"),
    "a million layers": (config(num_hidden_layers=1_000_000), "num_hidden_layers .* from 1 to"),
    "more weights than in the file": (config(num_hidden_layers=64, hidden_size=4096), "asks for .* weights"),
    "a width of text": (config(hidden_size="many"), "hidden_size"),
    "a million classes": (config(id2label={i: str(i) for i in range(20_000)}), "at most 1000 classes"),
    "a label of a terminal's escapes": (config(id2label={0: "\x1b[2J", 1: "b", 2: "c"}), "text of at most"),
    "a label that is a list": (config(id2label={0: ["a"], 1: "b", 2: "c"}), "id2label"),
    "a config that is a list": (lambda folder: (folder / "config.json").write_text("[1]"), "holds a None model"),
    "a config that is no JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json is damaged"),
    "a config of 30 MB": (lambda folder: (folder / "config.json").write_text(" " * 30_000_000), "more than 1 MB"),
    "a config of 100,000 lists in each other": (
        lambda folder: (folder / "config.json").write_text("[" * 100_000),
        "nested too deeply",
    ),
    "a billion classes, unnamed": (config(num_labels=10**9), "at most 1000 classes"),
    "a processor's file of 3 MB": (processor(more=[[]] * 1_000_000), "more than 1 MB"),
    "a processor that crops": (processor(do_center_crop=True, crop_size={"height": 10**5, "width": 10**5}), "crops or"),
    "a processor that pads": (processor(do_pad=True, pad_size={"height": 10**5, "width": 10**5}), "crops or pads"),
    "a million tensors": (many_tensors, "list of tensors in model.safetensors has more"),
    "files elsewhere": (files_elsewhere, "names what is no file of weights beside it"),
    "quantised weights": (config(quantization_config={"quant_method": "gptq", "bits": 4}), "quantised"),
    "code of a stranger": (config(model_type="evil", auto_map={"AutoConfig": "evil.Evil"}), "holds a evil model"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_checkpoint_is_refused_in_a_sentence(checkpoint, name, monkeypatch, capfd):
    damage, reason = DAMAGES[name]
    damage(checkpoint)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on the terminal"))
    with pytest.raises((ValueError, OSError), match=reason) as refusal:
        load_checkpoint(checkpoint)
    message = str(refusal.value)
    assert "\n" not in message and len(message) < 600 and str(checkpoint) in message
    assert "Traceback" not in capfd.readouterr().err


def test_a_checkpoint_does_not_choose_what_computes(checkpoint):
    """The name of a repository there is code of a stranger, which transformers fetches and runs where it can."""
    change_json(checkpoint / "config.json", attn_implementation="evil/kernel", _attn_implementation="evil/kernel")
    model, _ = load_checkpoint(checkpoint)
    assert model.config._attn_implementation in ("sdpa", "eager")


def test_the_command_line_refuses_made_up_weights(checkpoint, astronaut_file, capsys):
    only_x(checkpoint)
    assert main([str(astronaut_file), "--model", str(checkpoint), "--detector", "none"]) == 2
    assert "happiness" not in capsys.readouterr().out


def test_transformers_own_way_refuses_an_encoder_that_is_made_up(checkpoint):
    only_x(checkpoint)
    with pytest.raises(ValueError, match="lack .* of the encoder's tensors"):
        GReFELForImageClassification.from_pretrained(checkpoint)


def test_transformers_own_way_refuses_nan(checkpoint):
    change_weights(checkpoint, primary_head__output__bias=torch.full((3,), torch.nan))
    with pytest.raises(ValueError, match="infinite or no numbers"):
        GReFELForImageClassification.from_pretrained(checkpoint)
