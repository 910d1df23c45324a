"""YuNet's network gives the same rows on ONNX Runtime and on OpenCV."""

import math

import numpy as np
import pytest

from grefel_hf.faces.yunet_networks import OnnxYuNet, OpenCVYuNet, decoded, open_yunet
from tests.helpers.photos_of_faces import astronaut, yunet_weights


def test_yunet_is_the_same_on_both_runtimes(yunet):  # the fixture skips without weights
    networks = OnnxYuNet(str(yunet_weights()), 0.5), OpenCVYuNet(str(yunet_weights()), 0.5)
    assert isinstance(open_yunet(str(yunet_weights()), 0.5), OnnxYuNet)
    for side in (512, 317, 90):  # a multiple of the network's cells, and none
        ours, theirs = (network.run(astronaut().resize((side, side - 9))) for network in networks)
        assert ours.shape == theirs.shape and (side < 100 or len(ours) >= 1)
        np.testing.assert_allclose(ours, theirs, atol=1e-2)


def test_a_cell_of_yunet_is_decoded():
    """The second cell of the second row of a map with three columns and cells of 16 pixels; the others say no."""
    maps = {
        f"{kind}_16": np.zeros((6, channels), np.float32)
        for kind, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    }
    maps["cls_16"][4], maps["obj_16"][4] = 0.9, 1.2  # more than 1 counts as 1
    maps["bbox_16"][4] = (0.5, 0.25, math.log(2), math.log(3))
    maps["kps_16"][4] = np.arange(10) / 10
    (row,) = decoded(maps, stride=16, columns=3, threshold=0.75)
    np.testing.assert_allclose(row[:4], [1.5 * 16 - 16, 1.25 * 16 - 24, 32, 48], rtol=1e-6)
    np.testing.assert_allclose(row[4:8], [16, 17.6, 19.2, 20.8], rtol=1e-6)
    assert row[14] == pytest.approx(math.sqrt(0.9))
