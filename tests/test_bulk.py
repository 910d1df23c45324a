"""Photos in bulk: in order, overlapped, and never more than a fixed number in memory."""

import threading
import weakref

import numpy as np
import pytest
from PIL import Image

import grefel_hf.predictor as predictor_module
from grefel_hf import FacialExpressionPredictor, GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.bulk import overlapped
from grefel_hf.faces.detection import NoDetector
from tests.helpers.tiny import tiny_config


def test_results_come_in_order_although_the_first_takes_longest():
    second_is_done = threading.Event()

    def work(item):
        if item == 0:
            assert second_is_done.wait(30)
        if item == 1:
            second_is_done.set()
        return item * 10

    assert list(overlapped(work, range(5), ahead=2, workers=2)) == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("ahead", [1, 3])
def test_no_more_is_begun_than_asked_for(ahead):
    drawn = []
    results = overlapped(lambda item: item, (drawn.append(i) or i for i in range(50)), ahead)
    for number, result in enumerate(results):
        assert result == number and len(drawn) <= number + ahead
    assert len(drawn) == 50


def test_an_error_comes_in_its_turn_and_early_ends_stop_the_input():
    def work(item):
        if item == 2:
            raise KeyError(item)
        return item

    drawn = []
    results = overlapped(work, (drawn.append(i) or i for i in range(50)), ahead=3)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyError):
        next(results)
    assert len(drawn) <= 5 and list(results) == []


class ShadePredictor(FacialExpressionPredictor):
    """Takes crops; instead of running a network it tells how bright each is. Notes the sizes of its batches."""

    def _run(self, crops):
        self.batches.append(len(crops))
        for crop in crops:
            share = crop.getpixel((0, 0))[0] / 255
            distribution = np.array([share, 1 - share, 0])
            yield {"corrected": distribution, "primary": distribution}


@pytest.fixture
def shades():
    processor = GReFELImageProcessor(size={"height": 64, "width": 64})
    predictor = ShadePredictor(GReFELForImageClassification(tiny_config()), processor, NoDetector(), batch_size=8)
    predictor.batches = []
    return predictor


def test_many_photos_take_the_memory_of_a_few(shades, monkeypatch):
    """Counts the photos between input and output, and the crops that are alive."""
    alive, most_alive, drawn = set(), 0, 0

    def crop_face(image, face):
        crop = image.copy()
        alive.add(id(crop))
        weakref.finalize(crop, alive.discard, id(crop))
        return crop

    def photos():
        nonlocal drawn
        for _ in range(200):
            drawn += 1
            yield Image.new("RGB", (9, 9))

    monkeypatch.setattr(predictor_module, "crop_face", crop_face)
    kept = []
    for count, result in enumerate(shades.stream(photos(), keep_crops=False, in_flight=12)):
        assert drawn - count <= 12
        most_alive = max(most_alive, len(alive))
        kept.append(result)
    assert len(kept) == 200 and 6 <= most_alive <= 12
    assert all(photo.faces[0].crop is None for photo in kept)


@pytest.mark.parametrize(("in_flight", "batch"), [(1, 1), (2, 1), (7, 3), (32, 8)])
def test_faces_keep_their_photos_in_batches_of_any_size(shades, in_flight, batch):
    photos = [Image.new("L", (9, 9), shade) for shade in range(0, 250, 12)]  # 21
    results = list(shades.stream(photos, in_flight=in_flight))
    assert [result.faces[0].corrected[0] for result in results] == [shade / 255 for shade in range(0, 250, 12)]
    assert all(result.faces[0].crop.getpixel((0, 0))[0] == 12 * i for i, result in enumerate(results))
    assert set(shades.batches[:-1]) <= {batch} and sum(shades.batches) == 21


def test_what_runs_in_a_thread_of_one_begins_none_of_another():
    def inner(_):
        return threading.current_thread().name

    def outer(_):
        return {threading.current_thread().name}, set(overlapped(inner, range(4), ahead=4))

    assert all(own == used for own, used in overlapped(outer, range(3), ahead=3))
    assert threading.current_thread().name not in set(overlapped(inner, range(4), ahead=4))
