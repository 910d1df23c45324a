import builtins
import json
import os
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import convert_checkpoint
from convert_checkpoint import convert, main
from grefel_hf import GReFELConfig, GReFELForImageClassification, GReFELImageProcessor, GReFELModel
from grefel_hf.model.backbone_iresnet import IResNet
from grefel_hf.model.backbone_mobilefacenet import MobileFaceNet, MobileFaceNetLandmarkHead
from grefel_train.backbones.layouts import ConversionError
from tests.helpers import reference_layouts as published
from tests.helpers.launch import run

SCRIPT = "train/convert_checkpoint.py"
BASE = GReFELConfig.from_size("base")
# base in small: maps of 8, 4 and 2 cells.
SMALL = GReFELConfig.from_size(
    "base",
    image_size=64,
    image_backbone_size=32,
    landmark_backbone_size=32,
    iresnet_depths=(2, 1, 2),
    window_sizes=(8, 4, 2),
    hidden_size=32,
    intermediate_size=64,
)
DEPTHS = SMALL.iresnet_depths


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def doubles(state):
    return {name: value.double() if value.is_floating_point() else value for name, value in state.items()}


def small_poster() -> dict[str, torch.Tensor]:
    return published.random_poster_v2(
        DEPTHS, SMALL.window_sizes, SMALL.fusion_num_heads, SMALL.hidden_size, SMALL.intermediate_size, 2
    )


def loaded(module: torch.nn.Module, state) -> torch.nn.Module:
    module.load_state_dict(state)
    return module.double().eval()


@torch.no_grad()
def check_maps(module: torch.nn.Module, state, expected):
    maps = loaded(module, state)(check_maps.images)
    for found, wanted in zip(maps, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


check_maps.images = torch.randn(2, 3, 33, 47, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_evolve_ir50_computes_the_same():
    state = published.random_evolve_ir50(DEPTHS)
    conversion = convert(state, SMALL)
    expected = published.ir50(check_maps.images, doubles(state), published.evolve_units(DEPTHS))
    check_maps(IResNet(DEPTHS), conversion.states["image_backbone"], expected)
    assert set(conversion.states) == {"image_backbone"}
    reasons = dict(conversion.left_out.values())
    assert set(reasons) == {"output_layer", "body.5", "body.6", "body.7"}
    assert "fourth stage" in reasons["body.5"] and "recognition" in reasons["output_layer"]


def test_poster_ir50_computes_the_same():
    units = published.poster_units(DEPTHS)
    state = published.random_ir50(units)
    expected = published.ir50(check_maps.images, doubles(state), units)
    check_maps(IResNet(DEPTHS), convert(state, SMALL).states["image_backbone"], expected)


def test_mobilefacenet_computes_the_same():
    state = published.random_mobilefacenet()
    conversion = convert(state, BASE)
    expected, _ = published.mobilefacenet(check_maps.images, doubles(state))
    check_maps(MobileFaceNet(), conversion.states["landmark_backbone"], expected)
    assert set(dict(conversion.left_out.values())) == {"output_layer"}


def test_landmark_head_finds_the_same_points_in_our_pixels():
    state = published.random_mobilefacenet()
    found = convert(state, BASE, landmark_head=True).states["landmark_backbone"]
    backbone = {k.removeprefix("landmark_backbone."): v for k, v in found.items() if k.startswith("landmark_backbone.")}
    head = {k.removeprefix("landmark_head."): v for k, v in found.items() if k.startswith("landmark_head.")}
    assert len(backbone) + len(head) == len(found)

    bytes_ = torch.randint(0, 256, (2, 3, 112, 112)).double()
    # Ours pads with 0, which is the grey 127.5; everywhere else both see the same.
    maps, points = published.mobilefacenet(bytes_ / 255, doubles(state), border=0.5)
    with torch.no_grad():
        last = loaded(MobileFaceNet(), backbone)((bytes_ - 127.5) / 128)[-1]
        answer = loaded(MobileFaceNetLandmarkHead(7), head)(last)
    torch.testing.assert_close(last, maps[-1], rtol=1e-4, atol=1e-4)  # weights are rounded to float32
    torch.testing.assert_close(answer, points, rtol=1e-4, atol=1e-4)


def test_poster_backbones_compute_the_same():
    state = small_poster()
    conversion = convert(state, SMALL, backbones_only=True)
    assert set(conversion.states) == {"image_backbone", "landmark_backbone"}
    units = published.poster_units(DEPTHS, "ir_back.")
    expected = published.ir50(check_maps.images, doubles(state), units, "ir_back.")
    check_maps(IResNet(DEPTHS), conversion.states["image_backbone"], expected)
    expected, _ = published.mobilefacenet(check_maps.images, doubles(state), "face_landback.")
    check_maps(MobileFaceNet(), conversion.states["landmark_backbone"], expected)
    assert "attn1" in dict(conversion.left_out.values())


def test_poster_encoder_computes_the_same():
    state = small_poster()
    conversion = convert(state, SMALL)
    assert set(conversion.states) == {"image_backbone", "landmark_backbone", "encoder"}
    # Every pixel four times: then every other pixel and the mean of 2 x 2 are the same image.
    images = torch.randn(2, 3, 32, 32).double().repeat_interleave(2, -1).repeat_interleave(2, -2)
    arguments = images, doubles(state), DEPTHS, SMALL.fusion_num_heads, 32, 2
    model = loaded(GReFELModel(SMALL), conversion.states["encoder"])
    with torch.no_grad():
        found = model(images)
    tokens, embedding = published.poster_v2_features(*arguments, fusion_eps=SMALL.layer_norm_eps)
    torch.testing.assert_close(found.last_hidden_state, tokens, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found.pooler_output, embedding, rtol=1e-8, atol=1e-8)
    # The epsilon that POSTER++ has in its fusion norms makes next to no difference.
    tokens, embedding = published.poster_v2_features(*arguments)
    torch.testing.assert_close(found.pooler_output, embedding, rtol=1e-3, atol=1e-3)


def test_poster_encoder_says_what_it_leaves_out():
    conversion = convert(small_poster(), SMALL)
    reasons = dict(conversion.left_out.values())
    assert "MLP" in reasons["VIT.head"] and "never runs" in reasons["VIT.CON1"]
    assert "landmarks" in reasons["face_landback.output_layer"]
    assert "identity" in conversion.sources["encoder"]["fusions.0.attention.query.weight"]


def test_variants_of_poster_give_their_backbones():
    state = {name: v for name, v in small_poster().items() if not name.startswith("VIT.")}
    state["pyramid_fuse.weight"] = torch.zeros(2)
    assert set(convert(state, SMALL).states) == {"image_backbone", "landmark_backbone"}
    state = {name: v for name, v in state.items() if not name.startswith("face_landback.")}
    assert set(convert(state, SMALL).states) == {"image_backbone"}


def test_old_files_without_counters_are_taken():
    state = {k: v for k, v in published.random_mobilefacenet().items() if "num_batches" not in k}
    check = convert(state, BASE).states["landmark_backbone"]
    assert set(check) == set(MobileFaceNet().state_dict())


def test_half_precision_becomes_float32():
    state = {k: v.half() if v.is_floating_point() else v for k, v in published.random_mobilefacenet().items()}
    found = convert(state, BASE).states["landmark_backbone"]
    assert {v.dtype for v in found.values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"conv_34.conv_dw.bn.running_var": None}, "conv_34.conv_dw.bn.running_var is missing"),
        ({"conv1.conv.weight": torch.zeros(64, 3, 7, 7)}, r"conv1.conv.weight has the shape \(64, 3, 7, 7\) and must"),
        ({"conv_6_sep.prelu.weight": torch.full((512,), torch.nan)}, "conv_6_sep.prelu.weight holds values"),
        ({"conv_6_sep.prelu.weight": torch.zeros(512, dtype=torch.int64)}, "conv_6_sep.prelu.weight holds torch.int64"),
        ({"conv_6_sep.prelu.weight": "text"}, "conv_6_sep.prelu.weight is no plain tensor"),
        ({"conv_3.model.4.conv.conv.weight": torch.zeros(2)}, "conv_3.model.4.conv.conv.weight is unknown"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(change, message):
    state = published.random_mobilefacenet() | change
    with pytest.raises(ConversionError, match=message):
        convert({name: value for name, value in state.items() if value is not None}, BASE)


def test_squeeze_excite_is_refused_and_names_are_not_endless():
    state = published.random_evolve_ir50(BASE.iresnet_depths)
    state |= {f"body.{unit}.res_layer.5.fc1.weight": torch.zeros(4, 64, 1, 1) for unit in range(24)}
    with pytest.raises(ConversionError, match=r"body.0.res_layer.5.fc1.weight is unknown.*and 13 more"):
        convert(state, BASE)


def test_a_landmark_head_of_another_grid_is_refused():
    with pytest.raises(ConversionError, match="output_layer.conv_6_dw.conv.weight has the shape"):
        convert(published.random_mobilefacenet(grid=4), BASE, landmark_head=True)
    with pytest.raises(ConversionError, match="--landmark_head needs"):
        convert(published.random_evolve_ir50(DEPTHS), SMALL, landmark_head=True)


@pytest.mark.parametrize(
    "state, message",
    [
        ({"layer1.0.weight": torch.zeros(2)}, "none of the known layouts"),
        ({}, "none of the known layouts"),
        (MobileFaceNet().state_dict(), "already"),
        ({"grefel.pyramid.weight": torch.zeros(2)}, "--model_name_or_path"),
    ],
)
def test_other_layouts_are_named(state, message):
    with pytest.raises(ConversionError, match=message):
        convert(state, BASE)


class RecorderMeter1:
    """As POSTER++'s training script leaves it beside the weights."""

    def __init__(self):
        self.total_epoch, self.y_pred, self.best = 200, np.array([1, 2]), np.float32(0.5)


@pytest.fixture
def poster_file(tmp_path, monkeypatch):
    """A whole POSTER++ checkpoint of full size, as the published ones were saved."""
    state = published.random_poster_v2(BASE.iresnet_depths, (28, 14, 7), (2, 4, 8), 768, 3072, 2)
    monkeypatch.setattr(RecorderMeter1, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "RecorderMeter1", RecorderMeter1, raising=False)
    file = tmp_path / "raf-db.pth"
    wrapped = {f"module.{name}": value for name, value in state.items()}
    torch.save({"epoch": 3, "state_dict": wrapped, "best_acc": torch.tensor(90.0), "recorder1": RecorderMeter1()}, file)
    return file


def test_a_whole_poster_file_becomes_a_model_folder(poster_file, tmp_path, capsys):
    out = tmp_path / "out"
    main([str(poster_file), "--output_dir", str(out)])
    printed = capsys.readouterr().out
    assert "a whole POSTER++ checkpoint" in printed and "epoch, best_acc, recorder1" in printed
    assert "left out VIT.head (2 tensors): its linear classifier" in printed
    assert sorted(os.listdir(out)) == [
        "conversion.json",
        "encoder",
        "image_backbone.safetensors",
        "landmark_backbone.safetensors",
    ]
    state = torch.load(poster_file, weights_only=False)["state_dict"]
    model = GReFELForImageClassification.from_pretrained(out / "encoder", num_labels=7)
    torch.testing.assert_close(model.grefel.layers[1].mlp.fc2.weight, state["module.VIT.blocks.1.mlp.fc2.weight"])
    torch.testing.assert_close(model.grefel.fusions[2].attention.query.weight, torch.eye(256))
    backbone = load_file(out / "image_backbone.safetensors")
    model.grefel.pyramid.image_backbone.load_state_dict(backbone)
    assert tuple(GReFELImageProcessor.from_pretrained(out / "encoder").image_mean) == (0.485, 0.456, 0.406)
    record = json.loads((out / "conversion.json").read_text())
    assert (
        record["sources"]["image_backbone"]["stage2.0.shortcut.0.weight"] == "ir_back.body2.0.shortcut_layer.0.weight"
    )
    assert record["left_out"]["VIT.head.linear.bias"].startswith("its linear classifier")


def test_script_converts_the_landmark_network(tmp_path):
    file, out = tmp_path / "mobilefacenet_model_best.pth.tar", tmp_path / "new" / "out"
    checkpoint = {"epoch": 1, "arch": "mobilefacenet", "state_dict": published.random_mobilefacenet()}
    torch.save(checkpoint, file, _use_new_zipfile_serialization=False)  # as PyTorch saved when it was published
    done = run(SCRIPT, file, "--output_dir", out)
    assert done.returncode == 0, done.stderr
    assert "left out output_layer (12 tensors): its 68-point head" in done.stdout
    assert "left out, as they are no weights: epoch, arch" in done.stdout
    MobileFaceNet().load_state_dict(load_file(out / "landmark_backbone.safetensors"))
    with pytest.raises(SystemExit, match="name a new folder"):
        main([str(file), "--output_dir", str(out)])


def test_safetensors_are_read_too(tmp_path):
    file = tmp_path / "ir50.safetensors"
    save_file(published.random_ir50(published.poster_units(BASE.iresnet_depths)), file)
    main([str(file), "--output_dir", str(tmp_path / "out")])
    IResNet().load_state_dict(load_file(tmp_path / "out" / "image_backbone.safetensors"))


class Malicious:
    """Runs code when a pickle with it is read."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("function", ["system", "eval"])
def test_a_pickle_with_code_runs_nothing(tmp_path, function, legacy):
    file, trace, out = tmp_path / "evil.pth", tmp_path / "trace", tmp_path / "out"
    code = {
        "system": Malicious(os.system, f"touch {trace}"),
        "eval": Malicious(builtins.eval, f"open({str(trace)!r}, 'w').close()"),
    }[function]
    checkpoint = {"state_dict": published.random_mobilefacenet(), "epoch": code}
    torch.save(checkpoint, file, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(SystemExit, match=f"{function}.* Nothing of it was run"):
        main([str(file), "--output_dir", str(out)])
    assert not trace.exists() and not out.exists()
    torch.load(file, weights_only=False)  # it would have
    assert trace.exists()


@pytest.mark.parametrize("content", [b"", b"<html>Google Drive - Virus scan warning</html>", b"PK\x03\x04rest"])
def test_files_that_are_no_checkpoints_are_refused(tmp_path, content):
    file = tmp_path / "ir50.pth"
    file.write_bytes(content)
    with pytest.raises(SystemExit, match="ir50.pth cannot be converted: it cannot be read"):
        main([str(file), "--output_dir", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="no such file"):
        main([str(tmp_path / "none.pth"), "--output_dir", str(tmp_path / "out")])
    torch.save([1, 2], file)
    with pytest.raises(SystemExit, match="a list and not a dict"):
        main([str(file), "--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    file, out = tmp_path / "landmarks.pth", tmp_path / "out"
    torch.save(published.random_mobilefacenet(), file)

    def save_half(state, path, metadata):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(convert_checkpoint, "save_file", save_half)
    with pytest.raises(SystemExit, match="No space left"):
        main([str(file), "--output_dir", str(out)])
    assert os.listdir(tmp_path) == [file.name]
