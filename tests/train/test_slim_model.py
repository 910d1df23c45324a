"""Making a model narrower: least squares, what is kept, and that the answers stay."""

import copy
import json

import pytest
import torch

from grefel_hf import GReFELConfig, GReFELForImageClassification, GReFELImageProcessor
from slim_model import ENTRIES, LeastSquares, parse_args, slim
from tests.helpers.launch import run
from tests.helpers.tiny import tiny_config
from tests.helpers.training_runs import write_faces

NARROW = {"projection_kernel_size": 1, "num_hidden_layers": 1, "intermediate_size": 16, "fusion_mlp_ratio": 1}


def new_model() -> GReFELForImageClassification:
    torch.manual_seed(0)
    model = GReFELForImageClassification(tiny_config()).eval()
    for fusion in model.grefel.fusions:  # whose MLPs have almost no say at the start
        torch.nn.init.ones_(fusion.mlp_scale)
    for backbone in (model.grefel.pyramid.image_backbone, model.grefel.pyramid.landmark_backbone):
        for module in backbone.train().modules():  # statistics with which maps do not fade out
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        backbone(faces()[0])
    return model.eval()


def changed(model: GReFELForImageClassification, **entries) -> GReFELConfig:
    return GReFELConfig(**model.config.to_dict() | entries)


def faces(count: int = 48) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(16, 3, 64, 64, generator=generator) for _ in range(count // 16)]


def test_least_squares_finds_a_linear_function_and_leaves_out_inputs():
    torch.manual_seed(0)
    inputs, weight, bias = torch.randn(3, 50, 6), torch.randn(4, 6), torch.randn(4)
    weight[:, 2] = 0
    fit = LeastSquares()
    for part in inputs:
        fit.add(part, part @ weight.T + bias)
    found = fit.solve()
    torch.testing.assert_close(found[0], weight, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[1], bias, atol=1e-4, rtol=1e-4)
    kept = torch.tensor([0, 1, 3, 4, 5])
    torch.testing.assert_close(fit.solve(kept)[0], weight[:, kept], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(fit.mean_squares().float(), inputs.flatten(0, 1).square().mean(0))


@torch.no_grad()
def test_units_that_do_nothing_go_first_and_no_answer_changes():
    model = new_model()
    for mlp in [layer.mlp for layer in (*model.grefel.layers, *model.grefel.fusions)]:
        mlp.fc2.weight[:, ::2] = 0  # every second unit
    config = changed(model, intermediate_size=32, fusion_mlp_ratio=2)
    narrow = slim(model, config, faces)
    assert narrow.grefel.layers[0].mlp.fc1.out_features == 32
    assert torch.equal(narrow.grefel.layers[0].mlp.fc1.weight, model.grefel.layers[0].mlp.fc1.weight[1::2])
    torch.testing.assert_close(narrow(faces()[0]).logits, model(faces()[0]).logits, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_a_projection_that_looks_at_one_cell_is_found_again():
    model = new_model()
    centres = {}
    for name in ("image_projections", "landmark_projections"):
        projection = getattr(model.grefel.pyramid, name)[2]
        centres[name] = projection.weight[:, :, 1, 1].clone()
        projection.weight.zero_()[:, :, 1, 1] = centres[name]
    narrow = slim(model, changed(model, projection_kernel_size=1), faces)
    assert narrow.grefel.pyramid.image_projections[2].kernel_size == (1, 1)
    for fitted, old in zip(narrow.grefel.pyramid(faces()[0])[:2], model.grefel.pyramid(faces()[0])[:2]):
        assert (fitted[2] - old[2]).norm() < 0.02 * old[2].norm()


def test_the_layer_that_stays_learns_from_those_that_go():
    model = new_model()
    before = copy.deepcopy(model.state_dict())
    config = changed(model, num_hidden_layers=1)

    def distance(epochs: int) -> float:
        narrow = slim(model, config, faces, epochs=epochs)
        assert len(narrow.grefel.layers) == 1
        with torch.no_grad():
            tokens = [m.grefel(faces()[0]).last_hidden_state for m in (model, narrow)]
        return (tokens[0] - tokens[1]).square().mean().item()

    assert distance(30) < 0.5 * distance(1)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "the old model changed"


def test_script_writes_a_model_and_says_what_was_done(tmp_path):
    model = new_model()
    folder = tmp_path / "run" / "best"
    model.save_pretrained(folder)
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    results = {"best": {"epoch": 1}, "calibration": {}, "args": {"seed": 0}}
    (folder.parent / "all_results.json").write_text(json.dumps(results))
    train = write_faces(tmp_path / "train", 12)
    words = ["--model", folder, "--train_dir", train, "--num_images", 8, "--epochs", 1]
    for entry, value in NARROW.items():
        words += [f"--{entry}", value]
    outputs = []
    for name in ("a", "b"):
        done = run("train/slim_model.py", *words, "--output_dir", tmp_path / name)
        assert done.returncode == 0, done.stderr
        outputs.append(GReFELForImageClassification.from_pretrained(tmp_path / name / "best"))
    assert {entry: getattr(outputs[0].config, entry) for entry in ENTRIES} == NARROW
    assert outputs[0].num_parameters() < model.num_parameters()
    states = [output.state_dict() for output in outputs]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items()), "another run, another model"
    written = json.loads((tmp_path / "a" / "all_results.json").read_text())
    assert written["slimmed"]["entries"]["num_hidden_layers"] == [2, 1] and written["slimmed"]["images"] == 8
    assert "best" not in written and "calibration" not in written and written["args"] == {"seed": 0}


def test_a_model_cannot_grow(tmp_path):
    model = new_model()
    model.save_pretrained(tmp_path / "model")
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path / "model")
    words = ["--model", tmp_path / "model", "--train_dir", tmp_path, "--output_dir", tmp_path / "out"]
    done = run("train/slim_model.py", *words, "--num_hidden_layers", 3)
    assert done.returncode != 0 and "can only get less" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_nothing_to_change_is_refused(capsys):
    with pytest.raises(SystemExit):
        parse_args(["--model", "a", "--output_dir", "b"])
    assert "nothing to change" in capsys.readouterr().err
