"""Face crops: framing, roll, edges, sharpness and the map back to the photo."""

import math

import numpy as np
import pytest
from PIL import Image

from grefel_hf.faces.cropping import (
    GEOMETRIES,
    CropGeometry,
    centering_eyes,
    crop_face,
    crop_transform,
    face_roll,
    map_points,
    warp,
)
from grefel_hf.faces.face import Face

PLAIN = CropGeometry(scale=1.0, shift=0.0)


def rolled_face(roll: float, middle=(150.0, 120.0), distance=40.0, box_side=100.0) -> Face:
    """A face whose eyes, `distance` apart around `middle`, slope by `roll` degrees."""
    across = np.array([math.cos(math.radians(roll)), math.sin(math.radians(roll))]) * distance / 2
    x, y = middle
    box = (x - box_side / 2, y - box_side / 2, x + box_side / 2, y + box_side / 2)
    return Face(box, 0.9, ((x - across[0], y - across[1]), (x + across[0], y + across[1])))


def draw_dots(size: tuple[int, int], points) -> Image.Image:
    """White dots of 6 pixels on black, placed to a fraction of a pixel."""
    x, y = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    pixels = np.zeros((size[1], size[0]))
    for point in points:
        distance = np.hypot(x[None, :] - point[0], y[:, None] - point[1])
        pixels = np.maximum(pixels, np.clip(3.5 - distance, 0, 1))
    return Image.fromarray(np.round(pixels * 255).astype(np.uint8)).convert("RGB")


def dot_centers(image: Image.Image) -> np.ndarray:
    """(2, 2): centres of mass of the dots in the left and the right half, in continuous coordinates."""
    pixels = np.asarray(image.convert("L"), dtype=float)
    middle = pixels.shape[1] // 2
    centers = []
    for start, half in ((0, pixels[:, :middle]), (middle, pixels[:, middle:])):
        rows, columns = np.indices(half.shape) + 0.5
        centers.append([(columns * half).sum() / half.sum() + start, (rows * half).sum() / half.sum()])
    return np.array(centers)


@pytest.mark.parametrize("roll", [-40, -15, 0, 15, 40])
@pytest.mark.parametrize("size", [None, 48, 224])
def test_a_rolled_face_comes_out_level_and_where_the_geometry_says(roll, size):
    face = rolled_face(roll)
    crop = crop_face(draw_dots((300, 240), face.eyes), face, size=size)
    left, right = dot_centers(crop)
    side = GEOMETRIES["yunet"].scale * 100
    pixels = round(side) if size is None else size
    assert crop.size == (pixels, pixels)
    assert left[1] == pytest.approx(right[1], abs=0.3 * pixels / side)
    assert right[0] - left[0] == pytest.approx(40 * pixels / side, abs=0.5)
    middle = (left + right) / 2 / pixels
    assert middle == pytest.approx([0.5, 0.5 - GEOMETRIES["yunet"].eye_shift], abs=0.005)


@pytest.mark.parametrize("roll", [0, 25])
@pytest.mark.parametrize("size", [None, 60])
def test_the_transform_maps_points_of_the_crop_to_the_photo(roll, size):
    face = rolled_face(roll)
    crop = crop_face(draw_dots((300, 240), face.eyes), face, size=size, margin=1.2)
    matrix = crop_transform(face, size=size, margin=1.2)
    assert map_points(matrix, dot_centers(crop)) == pytest.approx(np.array(face.eyes), abs=0.3)


def test_a_face_without_eyes_is_cropped_around_its_box():
    face = Face((100.0, 80.0, 180.0, 120.0), 0.9, detector="hog")
    geometry = CropGeometry(scale=2.0, shift=-0.1)
    side = 2 * math.sqrt(80 * 40)
    corners = map_points(crop_transform(face, size=10, geometry=geometry), np.array([[0, 0], [10, 10]]))
    assert corners.mean(axis=0) == pytest.approx([140, 100 - 0.1 * side])
    assert corners[1] - corners[0] == pytest.approx([side, side])


def test_a_margin_widens_the_crop_around_the_same_middle():
    face = rolled_face(10)
    middles, sides = [], []
    for margin in (1.0, 1.5):
        corners = map_points(crop_transform(face, size=8, margin=margin), np.array([[0, 0], [8, 8]]))
        middles.append(corners.mean(axis=0))
        sides.append(np.linalg.norm(corners[1] - corners[0]))
    assert middles[0] == pytest.approx(middles[1])
    assert sides[1] / sides[0] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("face", "roll", "eyes_center"),
    [
        (rolled_face(30), 30, True),
        (rolled_face(30, distance=25), 30, False),  # turned to the side
        (rolled_face(30, distance=15), 0, False),  # a profile
        (rolled_face(80), 0, False),  # no plausible roll
        (Face((0, 0, 9, 9), 1.0), 0, False),
    ],
)
def test_eyes_guide_a_crop_as_far_as_they_can_be_trusted(face, roll, eyes_center):
    assert face_roll(face) == pytest.approx(roll)
    assert (centering_eyes(face) is not None) == eyes_center


def test_a_profile_is_cropped_around_its_box():
    profile = Face((100, 100, 200, 200), 0.9, ((100, 130), (110, 140)))
    middle = map_points(crop_transform(profile, size=2), np.array([1.0, 1.0]))
    assert middle == pytest.approx([150, 150 + GEOMETRIES["yunet"].shift * GEOMETRIES["yunet"].scale * 100])


def test_the_edge_goes_on_outside_the_photo():
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, 0], pixels[0, :] = (200, 100, 50), (200, 100, 50)
    face = Face((-30.0, -30.0, 30.0, 30.0), 0.9)
    crop = np.asarray(crop_face(Image.fromarray(pixels), face, geometry=PLAIN))
    assert crop.shape == (60, 60, 3)
    assert (crop[:29, :29] == (200, 100, 50)).all()
    assert (crop[32:, 32:] == 0).all()


def test_a_crop_wholly_outside_the_photo_has_the_edge_colour():
    face = Face((200.0, 200.0, 260.0, 260.0), 0.9)
    crop = np.asarray(crop_face(Image.new("RGB", (40, 40), (9, 8, 7)), face, geometry=PLAIN))
    assert (crop == (9, 8, 7)).all()


@pytest.mark.parametrize("roll", [0, 20])
def test_a_reduced_crop_does_not_alias(roll):
    # a checkerboard of single pixels is grey from afar; picking single pixels would show black and white
    board = (np.indices((400, 400)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = crop_face(
        Image.fromarray(board).convert("RGB"), rolled_face(roll, (200, 200), 80, 200), size=24, geometry=PLAIN
    )
    assert np.abs(np.asarray(crop).astype(int) - 127).max() < 40


def test_native_resolution_keeps_the_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    crop = crop_face(Image.fromarray(pixels), Face((10.0, 5.0, 40.0, 35.0), 0.9), geometry=PLAIN)
    assert np.array_equal(np.asarray(crop), pixels[5:35, 10:40])


def test_none_returns_the_image_itself():
    image = Image.new("RGB", (37, 48))
    face = Face((0.0, 0.0, 37.0, 48.0), 1.0, detector="none")
    assert crop_face(image, face) is image
    assert np.array_equal(crop_transform(face), [[1, 0, 0], [0, 1, 0]])
    assert crop_face(image, face, size=20).size == (20, 20)
    assert map_points(crop_transform(face, size=20), np.array([20.0, 20.0])) == pytest.approx([37, 48])


def test_warp_with_the_identity_is_a_copy():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    same = warp(Image.fromarray(pixels), np.array([[1.0, 0, 0], [0, 1.0, 0]]), 16)
    assert np.array_equal(np.asarray(same), pixels)


@pytest.mark.parametrize("arguments", [{"size": 0}, {"margin": 0.0}, {"margin": -1.0}])
def test_refuses_a_crop_without_extent(arguments):
    with pytest.raises(ValueError, match="must be positive"):
        crop_transform(rolled_face(0), **arguments)


def test_refuses_a_detector_that_it_has_no_geometry_for():
    with pytest.raises(ValueError, match="'haar'"):
        crop_transform(Face((0, 0, 9, 9), 1.0, detector="haar"))
