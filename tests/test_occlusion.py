"""What becomes of an answer when a part of the face is covered."""

import numpy as np
import pytest
from PIL import Image

from grefel_hf.occlusion import Occlusion, covered, face_regions, occlusions

LABELS = ("neutral", "happiness")


def landmarks() -> np.ndarray:
    """Of a face that fills its crop: brows above eyes, above the nose, above the mouth."""
    points = np.full((68, 2), 0.5)
    for part, (left, right), height in (
        (slice(17, 27), (0.25, 0.75), 0.3),
        (slice(36, 48), (0.3, 0.7), 0.4),
        (slice(27, 36), (0.45, 0.55), 0.55),
        (slice(48, 68), (0.4, 0.6), 0.75),
    ):
        points[part, 0] = np.linspace(left, right, part.stop - part.start)
        points[part, 1] = height
    points[[36, 45]] = [[0.3, 0.4], [0.7, 0.4]]
    return points


def test_regions_lie_around_their_landmarks_and_inside_of_the_crop():
    boxes = face_regions(landmarks())
    assert list(boxes) == ["brows", "eyes", "nose", "mouth"]
    assert boxes["mouth"] == pytest.approx((0.4 - 0.08, 0.75 - 0.06, 0.6 + 0.08, 0.75 + 0.08))
    low = landmarks() + [0.0, 0.42]
    assert face_regions(low).keys() == {"brows", "eyes", "nose"}  # the mouth lies beyond the crop
    assert max(box[3] for box in face_regions(low).values()) == 1.0


def test_without_landmarks_thirds_of_the_crop_are_covered():
    boxes = face_regions(None)
    assert list(boxes) == ["upper third", "middle third", "lower third"]
    assert boxes["middle third"] == pytest.approx((0, 1 / 3, 1, 2 / 3))


def test_a_box_takes_the_crops_mean_colour_and_the_crop_stays_as_it_was():
    crop = Image.new("RGB", (10, 10), "black")
    crop.paste("white", (0, 0, 10, 5))
    hidden = np.asarray(covered(crop, (0.0, 0.0, 0.5, 0.5)))
    assert (hidden[:5, :5] == 128).all() and (hidden[:5, 5:] == 255).all() and (hidden[5:] == 0).all()
    assert crop.getpixel((0, 0)) == (255, 255, 255)


def test_what_takes_most_comes_first_and_the_network_is_asked_once():
    crop = Image.new("RGB", (100, 100), "white")
    crop.paste("black", (0, 70, 100, 100))  # where the mouth is
    calls = []

    def network(crops):
        """The darker the lower part, the happier."""
        calls.append(len(crops))
        dark = [1 - np.asarray(image)[70:].mean() / 255 for image in crops]
        return [np.array([1 - share, share]) for share in dark]

    found = occlusions(network, crop, landmarks(), LABELS)
    assert calls == [5] and [occlusion.region for occlusion in found][0] == "mouth"
    mouth, *others = found
    assert mouth.label == "happiness" and mouth.scores[0] == 1.0 and 0 < mouth.drop < 1
    assert all(occlusion.drop == 0 for occlusion in others)


def test_one_occlusion_in_numbers():
    occlusion = Occlusion("mouth", (0.0, 0.0, 1.0, 1.0), LABELS, np.array([0.4, 0.6]), np.array([0.75, 0.25]))
    assert occlusion.scores == (0.6, 0.25) and occlusion.drop == pytest.approx(0.35)
    assert (occlusion.label, occlusion.label_after) == ("happiness", "neutral")
    values = occlusion.to_dict()
    assert values["after"] == {"neutral": 0.75, "happiness": 0.25} and values["region"] == "mouth"


def test_the_predictor_covers_the_parts_of_a_face(predictor, astronaut):
    face = predictor(astronaut).faces[0]
    found = predictor.occlusions(face.crop, face.landmarks)
    assert {occlusion.region for occlusion in found} == {"brows", "eyes", "nose", "mouth"}
    for occlusion in found:
        assert occlusion.before == pytest.approx(face.corrected, abs=1e-4)
        assert occlusion.after.sum() == pytest.approx(1, abs=1e-4)
    assert found[0].drop > found[-1].drop
