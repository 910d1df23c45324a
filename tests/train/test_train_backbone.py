"""Teaching the image backbone by itself: the classifier, the script on made-up faces, and going on after a break."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.model.backbone_mobilenet_v1 import MobileNetV1
from grefel_train.data.samplers import BalancedSampler
from tests.helpers.ferplus_files import write_ferplus
from tests.helpers.launch import run
from tests.helpers.tiny import tiny_config
from train_backbone import (
    ExpressionClassifier,
    batches,
    build,
    order_of_pass,
    parameter_groups,
    sizes_by_pass,
    stage_before,
)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A folder with made-up FER+ and a backbone to start from, and the flags that name them."""
    folder = tmp_path_factory.mktemp("ferplus")
    votes = 10 * np.eye(10, dtype=np.int8)[np.arange(32) % 8]
    for split in ("train", "validation"):
        write_ferplus(folder, split, votes)
    torch.manual_seed(0)
    save_file(MobileNetV1().state_dict(), folder / "start.safetensors")
    flags = "--per_device_train_batch_size 8 --warmup_steps 1 --mixed_precision no --evaluation_epochs 2".split()
    return ["--dataset_dir", folder, "--backbone", folder / "start.safetensors", *flags]


def test_the_layer_sees_the_means_of_the_last_two_maps():
    torch.manual_seed(0)
    model = ExpressionClassifier(8).eval()
    assert model(torch.randn(2, 3, 32, 32)).eq(0).all()  # it starts without an opinion
    torch.nn.init.normal_(model.classifier.weight)
    pixels = torch.randn(2, 3, 64, 64)
    _, middle, high = model.backbone(pixels)
    seen = torch.cat([torch.nn.functional.layer_norm(m.mean((2, 3)), m.shape[1:2]) for m in (middle, high)], -1)
    assert torch.allclose(model(pixels), seen @ model.classifier.weight.T, atol=1e-4)


def test_the_backbone_has_its_own_rate_and_vectors_do_not_decay():
    model = ExpressionClassifier(8)
    groups = parameter_groups(model, SimpleNamespace(learning_rate=2.0, backbone_learning_rate=1.0))
    optimizer = torch.optim.AdamW(groups, weight_decay=0.5)
    found = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    assert len(found) == sum(len(g["params"]) for g in groups) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        expected = (1.0 if name.startswith("backbone.") else 2.0, 0.5 if parameter.ndim > 1 else 0.0)
        assert found[id(parameter)] == expected, name


def test_sizes_come_one_after_the_other():
    assert sizes_by_pass(SimpleNamespace(image_sizes=[112, 160], num_train_epochs=[2, 1])) == [112, 112, 160]


def test_a_run_teaches_the_backbone_and_goes_on_where_it_was_cut_off(start, tmp_path):
    sizes = ["--image_sizes", 32, 48, "--num_train_epochs", 1, 2]
    whole = run("train/train_backbone.py", *start, *sizes, "--output_dir", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    report = json.loads((tmp_path / "whole/backbone.json").read_text())
    log = report["runs"][0]["log"]
    assert [entry["size"] for entry in log] == [32, 48, 48]
    assert [entry.get("samples") for entry in log] == [None, 32, 32]
    assert report["average"] == {name: value for name, value in log[-1].items() if name in report["average"]}
    assert report["ensemble"] == report["average"]  # of one run
    assert str(tmp_path) not in json.dumps(report)
    weights = load_file(tmp_path / "whole/backbone.safetensors")
    MobileNetV1().load_state_dict(weights)
    before = load_file(start[3])
    changed = [name for name in weights if not torch.equal(weights[name], before[name])]
    assert {name.split(".")[0] for name in changed} == {"stem", "stage1", "stage2", "stage3"}

    def cut_off(change: str):
        code = f"import sys, train_backbone as script; {change}; script.main(script.parse_args(sys.argv[1:]))"
        return run("-c", code, *start, *sizes, "--output_dir", tmp_path / "cut")

    # As a run that was cut off in its second pass leaves things: the checkpoint of the first.
    cut = cut_off("real, script.save = script.save, lambda *a: (real(*a), sys.exit(9))")
    assert cut.returncode == 9 and not (tmp_path / "cut/backbone.safetensors").exists(), cut.stderr
    other = run("train/train_backbone.py", *start, *sizes, "--ema_decay", 0.9, "--output_dir", tmp_path / "cut")
    assert other.returncode and "ema_decay is 0.998 there and 0.9 here" in other.stderr
    # And as one that was cut off while it wrote the weights, after the report.
    cut = cut_off("script.save_file = lambda *a: sys.exit(9)")
    assert cut.returncode == 9 and "'epoch': 1" not in cut.stdout and "'epoch': 2" in cut.stdout, cut.stderr
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {"backbone.json", "seed-0"}
    resumed = run("train/train_backbone.py", *start, *sizes, "--output_dir", tmp_path / "cut")
    assert resumed.returncode == 0 and "'epoch'" not in resumed.stdout, resumed.stderr
    again = load_file(tmp_path / "cut/backbone.safetensors")
    assert all(torch.equal(again[name], weight) for name, weight in weights.items())


def test_runs_of_several_seeds_are_averaged_and_what_they_start_from_is_told(start, tmp_path):
    flags = ["--image_sizes", 32, "--num_train_epochs", 1]
    first = run("train/train_backbone.py", *start, *flags, "--output_dir", tmp_path / "first")
    assert first.returncode == 0, first.stderr
    words = [*start, *flags, "--backbone", tmp_path / "first/backbone.safetensors"]
    found = {}
    for name, seeds in {"both": [3, 4], "one": [3], "other": [4]}.items():
        done = run("train/train_backbone.py", *words, "--seeds", *seeds, "--output_dir", tmp_path / name)
        assert done.returncode == 0, done.stderr
        found[name] = load_file(tmp_path / name / "backbone.safetensors")
    for name, weight in found["both"].items():
        if weight.is_floating_point():
            assert torch.allclose(weight, (found["one"][name] + found["other"][name]) / 2, atol=1e-6), name
    assert not torch.equal(*(found[name]["stage3.1.pointwise.convolution.weight"] for name in ("one", "other")))
    report = json.loads((tmp_path / "both/backbone.json").read_text())
    assert [r["seed"] for r in report["runs"]] == [3, 4] and report["average"]["samples"] == 32
    assert report["ensemble"]["samples"] == 32 and report["ensemble"] != report["average"]
    assert report["before"] == json.loads((tmp_path / "first/backbone.json").read_text())
    assert report["before"]["before"] is None


def test_a_backbone_is_taken_out_of_a_checkpoint_of_grefel(start, tmp_path):
    config = tiny_config(image_backbone="mobilenet_v1", landmark_backbone_size=16, window_sizes=(4, 2, 1))
    model = GReFELForImageClassification(config)
    model.save_pretrained(tmp_path)
    args = SimpleNamespace(backbone=tmp_path / "model.safetensors", freeze_stages=0)
    backbone = build(args, 8).backbone.state_dict()
    for name, weight in model.grefel.pyramid.image_backbone.state_dict().items():
        assert torch.equal(backbone[name], weight), name
    args = {"model": {}, "num_train_epochs": 3, "freeze_stages": 1, "seed": 5, "dataset_dir": "/home"}  # no size told
    (tmp_path / "all_results.json").write_text(json.dumps({"args": args, "commit": "abc", "seconds": 9.0}))
    config.save_pretrained(tmp_path / "best")
    before = stage_before(tmp_path / "best" / "model.safetensors")  # which lies in the run's folder
    assert before == stage_before(tmp_path / "model.safetensors")
    assert before["runs"] == [{"seed": 5, "commit": "abc", "seconds": 9.0}] and before["before"] is None
    size = config.image_backbone_size
    assert before["settings"] == {"image_sizes": [size], "num_train_epochs": [3], "freeze_stages": 1}


def test_frozen_stages_stay_as_they_are_in_a_compiled_network_too(start, tmp_path):
    flags = ["--image_sizes", 32, "--num_train_epochs", 1, "--freeze_stages", 1, "--mixing_chance", 0.5]
    done = run("train/train_backbone.py", *start, *flags, "--torch_compile", "eager", "--output_dir", tmp_path)
    assert done.returncode == 0, done.stderr
    before, weights = load_file(start[3]), load_file(tmp_path / "backbone.safetensors")
    changed = [name for name in weights if not torch.equal(weights[name], before[name])]
    assert {name.split(".")[0] for name in changed} == {"stage2", "stage3"}  # of stem and stage1 not even statistics


def test_processes_share_the_batches_of_a_pass():
    sampler = BalancedSampler(np.arange(50) % 8, 0.0, seed=1)
    sampler.set_epoch(2)
    whole = list(sampler)
    places = [SimpleNamespace(num_processes=3, process_index=index) for index in range(3)]
    orders = [order_of_pass(sampler, epoch=2, steps=4, batch_size=4, accelerator=place) for place in places]
    assert [tuple(order.shape) for order in orders] == [(4, 4)] * 3  # two images of fifty are left out
    assert torch.stack(orders, 1).flatten().tolist() == whole[:48]


def test_no_batch_is_mixed_at_a_chance_of_zero():
    images, votes, order = torch.zeros(4, 1, 32, 32, dtype=torch.uint8), torch.eye(4), torch.arange(4)[None]
    processor = GReFELImageProcessor(do_grayscale=True)
    flags = {"augmentation_strength": 0.0, "mixup_alpha": 1.0, "cutmix_alpha": 0.0}

    def targets(chance: float) -> torch.Tensor:
        args = SimpleNamespace(mixing_chance=chance, **flags)
        return next(batches((images, votes), order, args, (0, 0, 0), processor))[1]

    assert torch.equal(targets(0.0), votes) and not torch.equal(targets(1.0), votes)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--backbone", "none.safetensors"], "Cannot start training"),
        (["--image_sizes", 32], "as many numbers"),
        (["--streaming"], "leave it out"),
        (["--per_device_train_batch_size", 999], "less than a batch"),
        (["--mixing_chance", 2], "between 0 and 1"),
        (["--seeds", 1, 1], "two runs of one seed"),
        (["--evaluation_epochs", 0], "0 is below 1"),
    ],
)
def test_what_cannot_be_ends_with_a_sentence(start, tmp_path, flags, message):
    done = run("train/train_backbone.py", *start, "--output_dir", tmp_path, *flags)
    assert done.returncode and message in done.stderr and "Traceback" not in done.stderr


def test_without_a_compiler_a_sentence_says_so(start, tmp_path):
    code = (
        "import sys, torch._inductor.config as config, train_backbone as script; config.force_disable_caches = True; "
        "config.cpp.cxx = (None, 'no-compiler'); script.main(script.parse_args(sys.argv[1:]))"
    )
    flags = ["--image_sizes", 32, "--num_train_epochs", 1, "--torch_compile", "--output_dir", tmp_path]
    done = run("-c", code, *start, *flags)
    assert done.returncode and "no-compiler" in done.stderr and "Leave --torch_compile out" in done.stderr
    assert "Traceback" not in done.stderr
