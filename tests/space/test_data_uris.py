"""Pictures as data URIs."""

import base64
import io

import numpy as np
from PIL import Image

from space.data_uris import attention_uri, jpeg_uri


def decode(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def test_attention_picture_is_brightest_where_attention_is():
    attention = np.zeros((4, 4))
    attention[0, 3] = 0.2
    picture = np.asarray(decode(attention_uri(attention)))
    assert picture[2, -3, 3] > picture[-3, 2, 3]
    assert picture[2, -3, :3].sum() > picture[-3, 2, :3].sum()


def test_constant_attention_is_clear():
    assert np.asarray(decode(attention_uri(np.full((4, 4), 0.1))))[..., 3].max() == 0


def test_pictures_are_reduced_and_keep_their_shape():
    assert decode(jpeg_uri(Image.new("RGB", (400, 200)), 100)).size == (100, 50)
    assert decode(jpeg_uri(Image.new("RGB", (40, 20)), 100)).size == (40, 20)
