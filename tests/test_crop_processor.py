"""Pixel values without transformers are those of the image processor."""

import json

import numpy as np
import pytest
from PIL import Image

from grefel_hf import GReFELImageProcessor
from grefel_hf.crop_processor import CropProcessor


@pytest.mark.parametrize("settings", [{}, {"do_grayscale": True}, {"image_std": [0.2, 0.3, 0.4], "resample": 3}])
def test_pixel_values_are_the_same_to_the_bit(settings, tmp_path):
    processor = GReFELImageProcessor(size={"height": 36, "width": 36}, **settings)
    processor.save_pretrained(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    images = [Image.fromarray(pixels), Image.fromarray(pixels[:20, :30]), Image.fromarray(pixels).convert("P")]
    expected = processor(images, return_tensors="np")["pixel_values"]
    values = CropProcessor.from_folder(tmp_path)(images)["pixel_values"]
    assert values.dtype == expected.dtype and np.array_equal(values, expected)


@pytest.mark.parametrize("changed", [{"do_resize": False}, {"do_pad": True}, {"image_mean": None}, {"size": {"a": 1}}])
def test_other_steps_are_refused(changed, tmp_path):
    GReFELImageProcessor().save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text()) | changed
    with pytest.raises((KeyError, TypeError, ValueError)):
        CropProcessor(settings)
