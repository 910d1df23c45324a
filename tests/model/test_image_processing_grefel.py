"""The image processor: any kind of image to the same normalised square."""

import numpy as np
import pytest
import torch
from PIL import Image

from grefel_hf import GReFELImageProcessor


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
