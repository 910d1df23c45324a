"""Deep greyscale comes out the same wherever a picture is made RGB."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from grefel_hf import GReFELImageProcessor
from grefel_hf.faces.photos import load_photo
from grefel_hf.model import pixels
from grefel_hf.model.pixels import to_rgb
from grefel_train.data.dataset import pixels_of

FULL_SCALES = {8: 255, 10: 1023, 12: 4095, 14: 16383, 16: 65535}


@pytest.mark.parametrize("bits", FULL_SCALES)
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_every_depth_is_brought_to_8_bits(bits, dtype):
    full = FULL_SCALES[bits]
    values = np.array([[0, full // 2, full]], dtype)
    assert np.asarray(to_rgb(Image.fromarray(values)))[0, :, 0].tolist() == [0, pytest.approx(127, abs=1), 255]


def ramp(dtype, full) -> Image.Image:
    return Image.fromarray(np.linspace(0, full, 64 * 64).reshape(64, 64).astype(dtype))


@pytest.mark.parametrize(("dtype", "full"), [(np.uint16, 65535), (np.uint16, 4095), (np.int32, 65535), (np.float32, 1)])
@pytest.mark.parametrize("do_grayscale", [False, True])
def test_training_pipeline_and_predictor_see_the_same(tmp_path, dtype, full, do_grayscale):
    path = tmp_path / "deep.tiff"
    ramp(dtype, full).save(path)
    plain = {"do_resize": False, "do_rescale": False, "do_normalize": False}
    processor = GReFELImageProcessor(do_grayscale=do_grayscale, size={"height": 64, "width": 64}, **plain)
    with Image.open(path) as image:
        pipeline = processor(image, return_tensors="np")["pixel_values"][0]
        training = pixels_of(image, processor, 64).numpy()
    predictor = np.asarray(load_photo(path)).transpose(2, 0, 1)
    assert np.array_equal(pipeline, training) and np.array_equal(pipeline, predictor)
    assert predictor.min() == 0 and predictor.max() == 255 and abs(predictor.mean() - 127.5) < 1


def test_deep_arrays_are_scaled_by_the_processor():
    values = np.repeat(np.array(ramp(np.uint16, 65535))[:, :, None], 3, axis=2)
    scaled = GReFELImageProcessor()(values, return_tensors="np")["pixel_values"]
    assert scaled.min() > -1 and scaled.max() <= 1 and abs(scaled.mean()) < 0.02


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        to_rgb(Image.fromarray(np.full((4, 4), np.nan, np.float32)))


def test_a_deep_photo_takes_little_more_than_its_pixels(monkeypatch):
    """A PNG of 95 kB with 49 million pixels of 16 bits took 1.2 GB."""
    monkeypatch.setattr(pixels, "PART_PIXELS", 10_000)
    values = np.random.default_rng(0).integers(0, 4096, (400, 1000)).astype(np.uint16)
    tracemalloc.start()
    scaled = pixels.to_8_bits(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(scaled, np.round(values * (255.0 / 4095)).astype(np.uint8))
    assert peak < 6 * values.size
