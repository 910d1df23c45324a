"""The export as a command: a checked file, its int8 version, and errors in one line."""

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from grefel_hf import FacialExpressionPredictor, GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.runtime import graph as making
from grefel_hf.runtime.export import calibration_images, evenly, main, pixel_batches
from grefel_hf.runtime.onnx_network import OnnxNetwork
from grefel_hf.runtime.torch_network import TorchNetwork
from tests.helpers.tiny import tiny_config

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def save(folder, **settings):
    torch.manual_seed(0)
    GReFELForImageClassification(tiny_config(landmark_head=True, **settings)).save_pretrained(folder)
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """One whose file is mostly weights."""
    channels = {"mobilefacenet_channels": (64, 128, 256), "fusion_channels": (64, 128, 256)}
    return save(tmp_path_factory.mktemp("wide"), **channels)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for index in range(6):
        Image.fromarray(random.integers(0, 256, (48, 48, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


def test_a_file_runs_in_the_predictor(checkpoint, tmp_path, astronaut, capsys):
    file = tmp_path / "model.onnx"
    main(["--model", str(checkpoint), "--output", str(file)])
    assert "model.onnx" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    onnx.checker.check_model(str(file))
    found, expected = (
        FacialExpressionPredictor.from_pretrained(checkpoint, detector="none", runtime=runtime)(astronaut).faces[0]
        for runtime in (file, "torch")
    )
    assert found.corrected == pytest.approx(expected.corrected, abs=1e-5)


def test_a_file_of_other_weights_is_refused(checkpoint, tmp_path):
    file = tmp_path / "model.onnx"
    main(["--model", str(checkpoint), "--output", str(file)])
    other = GReFELForImageClassification.from_pretrained(checkpoint)
    with torch.no_grad():
        other.grefel.gate.squeeze.bias.add_(1e-3)
    other.save_pretrained(tmp_path)
    GReFELImageProcessor.from_pretrained(checkpoint).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="not exported from these weights"):
        FacialExpressionPredictor.from_pretrained(tmp_path, detector="none", runtime=file)


def test_int8_is_near_and_smaller_and_leaves_landmarks_as_they_are(wide, images, tmp_path, capsys):
    plain, small = tmp_path / "plain.onnx", tmp_path / "int8.onnx"
    main(["--model", str(wide), "--output", str(plain)])
    main(["--model", str(wide), "--output", str(small), "--int8", "--calibration_images", str(images)])
    assert "of 6 of the calibration images" in capsys.readouterr().out
    assert small.stat().st_size < 0.7 * plain.stat().st_size
    # The encoder computes in 8 bits; balancing and heads do not.
    nodes = onnx.load(small).graph.node
    fed = {value for node in nodes if node.op_type == "DequantizeLinear" for value in node.output}
    in_8_bits = [node.name for node in nodes if node.op_type in ("Conv", "Gemm", "MatMul") and fed & set(node.input)]
    assert len(in_8_bits) > 40 and all(name.startswith("/model/grefel/") for name in in_8_bits)
    assert not [name for name in in_8_bits if "landmark_" in name]
    model = GReFELForImageClassification.from_pretrained(wide).eval()
    pixels = GReFELImageProcessor.from_pretrained(wide)([Image.open(images / "0.png")] * 3, return_tensors="np")
    expected = TorchNetwork(model)(pixels["pixel_values"])
    outputs = OnnxNetwork(small)(pixels["pixel_values"])
    assert outputs.keys() == expected.keys()
    probabilities = [torch.from_numpy(values["logits"]).softmax(-1) for values in (outputs, expected)]
    torch.testing.assert_close(*probabilities, atol=0.1, rtol=0)


def test_calibration_images_come_from_parquet_too_and_evenly(images, tmp_path):
    files = sorted(images.iterdir())
    pandas.DataFrame({"image": [{"bytes": file.read_bytes()} for file in files]}).to_parquet(tmp_path / "faces.parquet")
    encoded = calibration_images(tmp_path / "faces.parquet")
    assert encoded == [file.read_bytes() for file in files]
    processor = GReFELImageProcessor(size={"height": 64, "width": 64})
    for from_bytes, from_files in zip(pixel_batches(encoded, processor), pixel_batches(files, processor), strict=True):
        assert from_bytes.shape == (6, 3, 64, 64) and (from_bytes == from_files).all()
    assert evenly(list(range(10)), 4) == [0, 2, 5, 7] and evenly([1, 2], 4) == [1, 2]


def test_a_graph_that_fails_the_comparison_leaves_no_file(checkpoint, tmp_path, monkeypatch):
    real = making.onnx_graph

    def wrong(model, **options):
        model.primary_head.output.bias.data[0] += 1.0
        graph = real(model, **options)
        model.primary_head.output.bias.data[0] -= 1.0
        return graph

    monkeypatch.setattr(making, "onnx_graph", wrong)
    with pytest.raises(SystemExit, match="differs from the model's"):
        main(["--model", str(checkpoint), "--output", str(tmp_path / "model.onnx")])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--output", "{tmp}/none/model.onnx"], "none does not exist"),
        (["--output", "{tmp}/a.onnx", "--int8", "--calibration_images", "{tmp}"], "holds no images"),
        (["--output", "{tmp}/a.onnx", "--int8", "--calibration_images", "{tmp}/no.parquet"], "no.parquet cannot be"),
        (["--output", "{tmp}/a.onnx", "--model", "{tmp}/nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(checkpoint, tmp_path, arguments, message):
    words = [word.format(tmp=tmp_path) for word in arguments]
    with pytest.raises(SystemExit, match=message) as ended:
        main(["--model", str(checkpoint), *words])
    assert "\n" not in str(ended.value)


@pytest.mark.parametrize("arguments", [["--output", "model.pt"], ["--output", "a.onnx", "--int8"]])
def test_flags_that_do_not_fit_are_refused(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
