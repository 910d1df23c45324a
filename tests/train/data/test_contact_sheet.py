"""Faces in rows."""

import numpy as np
import torch
from PIL import Image

from grefel_train.data.contact_sheet import GAP, Tile, contact_sheet, picture


def test_rows_of_any_length_with_captions():
    red, blue = Image.new("RGB", (40, 40), (255, 0, 0)), Image.new("RGB", (20, 20), (0, 0, 255))
    sheet = np.asarray(contact_sheet([[Tile(red), Tile(blue)], [Tile(Image.new("L", (40, 40), 90), "anger")]], 40))
    step = 40 + GAP
    assert sheet.shape == (2 * step - GAP, 2 * step - GAP, 3)
    assert (sheet[:40, :40] == (255, 0, 0)).all() and (sheet[:40, step:] == (0, 0, 255)).all()
    assert (sheet[40:step] == 255).all() and (sheet[step:, step:] == 255).all()  # the gap, and no fourth face
    assert (sheet[step + 20 :, :40] == 90).all() and (sheet[step : step + 20, :40] != 90).any()


def test_a_tensor_as_a_picture():
    pixels = torch.arange(12, dtype=torch.uint8).view(3, 2, 2)
    assert picture(pixels).getpixel((1, 0)) == (1, 5, 9)
