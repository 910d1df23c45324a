"""Disturbances: seeded, of the right size and kind, and worse with severity."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import laplace

from grefel_train.evaluation.corruptions import CORRUPTIONS, EYES_CENTER, MOUTH_CENTER, SEVERITIES, corrupt


@pytest.fixture(scope="module")
def face(astronaut):
    crop = astronaut.crop((170, 40, 290, 160)).resize((112, 112), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(crop.convert("L").convert("RGB"))).permute(2, 0, 1)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_seeded_grey_stays_grey_and_the_face_gets_worse(face, kind):
    versions = [corrupt(face, 17, kind, severity, 0) for severity in SEVERITIES]
    assert all(v.dtype == torch.uint8 and v.shape == face.shape for v in versions)
    assert torch.equal(versions[2], corrupt(face.clone(), 17, kind, 3, 0))
    assert all((v.int() - v[:1].int()).abs().max() <= 1 for v in versions)
    changes = [(v.float() - face.float()).abs().mean().item() for v in versions]
    assert 0 < changes[0] and all(a < b for a, b in zip(changes, changes[1:])), changes


@pytest.mark.parametrize("kind", ["noise", "brightness", "rotation", "shifted_crop", "occluded_eyes"])
def test_chance_belongs_to_the_image_and_the_seed(face, kind):
    others = [corrupt(face, number, kind, 3, seed) for number, seed in ((18, 0), (19, 0), (20, 0), (17, 1), (17, 2))]
    assert any(not torch.equal(corrupt(face, 17, kind, 3, 0), other) for other in others)


def test_strength_is_what_the_table_says():
    grey = torch.full((3, 112, 112), 128, dtype=torch.uint8)
    _, strengths = CORRUPTIONS["noise"]
    assert corrupt(grey, 1, "noise", 2, 0)[0].float().std().item() == pytest.approx(255 * strengths[1], rel=0.03)
    left = {int(corrupt(grey, number, "brightness", 2, 0)[0, 0, 0]) for number in range(20)}
    assert left == {64, 192}  # half the light, or half the dark


def test_blur_and_low_resolution_take_detail(face):
    def detail(pixels: torch.Tensor) -> float:
        return float(np.abs(laplace(pixels[0].numpy().astype(float))).mean())

    for kind in ("blur", "low_resolution"):
        assert detail(corrupt(face, 0, kind, 5, 0)) < 0.5 * detail(face)


def test_bars_cover_eyes_or_mouth_only(face):
    for kind, center in (("occluded_eyes", EYES_CENTER), ("occluded_mouth", MOUTH_CENTER)):
        changed = (corrupt(face, 0, kind, 3, 0) != face).any(0).numpy()
        rows = np.flatnonzero(changed.any(1)) / 112
        assert abs(rows.mean() - center) < 0.03 and np.ptp(rows) < 0.2
        assert changed[round(112 * center), 56]


def test_rotation_turns_about_the_middle():
    spot = torch.zeros(3, 112, 112, dtype=torch.uint8)
    spot[:, 54:58, 20:24] = 255  # 34 pixels left of the middle
    turned = corrupt(spot, 0, "rotation", 5, 0)[0].float()  # 45 degrees
    rows, columns = torch.meshgrid(torch.arange(112.0), torch.arange(112.0), indexing="ij")
    center = [(turned * axis).sum() / turned.sum() for axis in (rows, columns)]
    assert abs(abs(center[0] - 55.5) - 34 / 2**0.5) < 1.5 and abs(55.5 - center[1] - 34 / 2**0.5) < 1.5
