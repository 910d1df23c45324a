"""Where the crop lies around a face, on a face placed by hand."""

import numpy as np
import pytest
from PIL import Image

from grefel_hf.faces.face import Face
from measure_crop_geometry import FACE_SIDE, Placed, draw_sheet, measure, measure_detector, place


class FixedDetector:
    """Finds one face of half the canvas's side, wherever it looks."""

    name = "fixed"

    def detect(self, photo: Image.Image) -> list[Face]:
        side = min(photo.size)
        return [Face((side / 4, side / 4, 3 * side / 4, 3 * side / 4), 0.9)]


def test_a_face_is_placed_whole_into_a_canvas_of_its_edge():
    placed = place(Image.new("L", (48, 48), 90), np.random.default_rng(0))
    assert placed.side == FACE_SIDE and np.asarray(placed.canvas).min() == np.asarray(placed.canvas).max() == 90
    assert FACE_SIDE // 4 <= placed.left <= placed.canvas.width - FACE_SIDE - FACE_SIDE // 4


def test_scale_and_shift_by_hand():
    placed = Placed(Image.new("RGB", (400, 400)), left=100, top=100, side=200)
    scale, shift, eye_shift = measure(Face((150, 130, 250, 230), 0.9), placed)
    assert scale == pytest.approx(2) and shift == pytest.approx((200 - 180) / 200) and np.isnan(eye_shift)


def test_faces_found_alone_are_measured():
    rows = measure_detector(FixedDetector(), [Image.new("L", (48, 48), 90)] * 3, seed=0)
    assert rows.shape == (3, 3) and (rows[:, 0] > 0).all()


def test_the_sheet_has_rows_for_the_set_and_for_each_detector(tmp_path):
    Image.new("RGB", (80, 80), (200, 40, 40)).save(tmp_path / "photo.png")
    sheet = draw_sheet([FixedDetector()], [Image.new("L", (48, 48), 90)] * 13, [tmp_path / "photo.png"])
    assert sheet.size == (12 * 114 - 2, 3 * 114 - 2)
