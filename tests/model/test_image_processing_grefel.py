"""The image processor: any kind of image to the same normalised square."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.image_utils import load_image
from transformers.utils import logging

from grefel_hf import GReFELImageProcessor, GReFELImageProcessorTorchvision
from grefel_hf.faces.photos import load_photo


@pytest.fixture
def colour() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def test_normalises_as_mobilefacenet_was_trained():
    white = Image.new("RGB", (112, 112), "white")
    pixels = GReFELImageProcessor()(white, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 112, 112)
    assert pixels.unique().tolist() == pytest.approx([127.5 / 128])


def test_grayscale_has_three_channels_alike_and_pillows_luma(colour):
    processor = GReFELImageProcessor(do_grayscale=True, do_resize=False, do_rescale=False, do_normalize=False)
    pixels = processor(colour, return_tensors="pt")["pixel_values"][0]
    assert torch.equal(pixels[0], pixels[1]) and torch.equal(pixels[1], pixels[2])
    luma = torch.from_numpy(np.asarray(colour.convert("L")).astype(int))
    assert (pixels[0] - luma).abs().max() <= 1  # Pillow rounds its weights


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA", "1"])
def test_other_modes_give_the_same_shape(colour, mode):
    pixels = GReFELImageProcessor()(colour.convert(mode), return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 112, 112) and pixels.isfinite().all()


def test_transparency_is_laid_on_white():
    clear = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    pixels = GReFELImageProcessor()(clear, return_tensors="pt")["pixel_values"]
    assert pixels.min().item() == pytest.approx(127.5 / 128)


def test_survives_saving(tmp_path):
    GReFELImageProcessor(do_grayscale=True, size={"height": 96, "width": 96}).save_pretrained(tmp_path)
    loaded = GReFELImageProcessor.from_pretrained(tmp_path)
    assert loaded.do_grayscale is True
    assert loaded(Image.new("RGB", (9, 9)), return_tensors="pt")["pixel_values"].shape == (1, 3, 96, 96)


@pytest.mark.parametrize("most", [65535, 4095])
def test_deep_greyscale_is_scaled_to_what_it_holds(most):
    deep = Image.fromarray(np.linspace(0, most, 64 * 64).reshape(64, 64).astype(np.uint16))
    assert deep.mode == "I;16"
    pixels = GReFELImageProcessor()(deep, return_tensors="pt")["pixel_values"]
    assert pixels.min() < -0.9 and pixels.max() > 0.9 and pixels.std() > 0.5  # not a white square
    expected = GReFELImageProcessor()(load_photo(deep), return_tensors="pt")["pixel_values"]
    if most == 65535:
        assert torch.equal(pixels, expected)
    array = GReFELImageProcessor()(np.asarray(deep)[None], return_tensors="pt")["pixel_values"]
    assert torch.equal(array, pixels)


def test_a_deep_picture_that_transformers_cut_to_white_is_warned_of(monkeypatch):
    """Its pipelines do so before they call the image processor."""
    logger = logging.get_logger("grefel_hf.model.image_processing_grefel")
    warnings = []
    monkeypatch.setattr(type(logger), "warning_once", lambda self, message: warnings.append(message), raising=False)
    deep = Image.fromarray(np.linspace(3000, 65535, 64 * 64).reshape(64, 64).astype(np.uint16))
    GReFELImageProcessor()(deep, return_tensors="pt")
    assert not warnings
    GReFELImageProcessor()(load_image(deep), return_tensors="pt")
    assert len(warnings) == 1 and 'detector="none"' in warnings[0]


def test_four_channels_pass_without_conversion():
    processor = GReFELImageProcessor(do_grayscale=True, do_convert_rgb=False, do_normalize=False)
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 9))
    assert processor(clear, return_tensors="pt")["pixel_values"].shape == (1, 4, 112, 112)


def test_deep_faces_of_the_shared_cases_are_no_white_squares(shared):
    for file in sorted((shared / "cases" / "faces16").rglob("*.png")):
        pixels = GReFELImageProcessor()(Image.open(file), return_tensors="pt")["pixel_values"]
        assert pixels.std() > 0.05, file.name


@pytest.mark.parametrize("grayscale", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_torchvision_gives_the_same_within_two_steps(colour, grayscale, mode):
    pytest.importorskip("torchvision")
    image = colour.convert(mode)
    pillow, torchvision = (
        processor(do_grayscale=grayscale)(image, return_tensors="pt")["pixel_values"]
        for processor in (GReFELImageProcessor, GReFELImageProcessorTorchvision)
    )
    torch.testing.assert_close(torchvision, pillow, atol=2 / 128, rtol=0)


def test_both_processors_save_one_type(tmp_path):
    GReFELImageProcessor().save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert saved["image_processor_type"] == "GReFELImageProcessor"
    assert [name.partition(".")[0] for name in saved["auto_map"]["AutoImageProcessor"]] == [
        "image_processing_grefel"
    ] * 2
