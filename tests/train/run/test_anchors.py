import torch

from grefel_hf.loading import load_checkpoint
from grefel_hf.model.reliability_balancing import GReFELAnchors
from grefel_train.data.dataset import FaceDataset
from grefel_train.run.anchors import embeddings_for_anchors, place_anchors, replace_dead_anchors
from tests.helpers.face_tables import load
from tests.helpers.launch import run
from tests.helpers.training_runs import write_faces, write_recipe


def clusters() -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings (80, 4) around two points for each of two classes, and the classes."""
    torch.manual_seed(0)
    centres = torch.tensor([[6.0, 0, 0, 0], [0, 6.0, 0, 0], [0, 0, 6.0, 0], [0, 0, 0, 6.0]])
    return centres.repeat_interleave(20, 0) + 0.1 * torch.randn(80, 4), torch.arange(2).repeat_interleave(40)


def test_kmeans_puts_an_anchor_into_every_cluster_of_its_class():
    embeddings, labels = clusters()
    for distance in ("euclidean", "cosine"):
        anchors = GReFELAnchors(2, 2, 4, 1.0, distance=distance)
        place_anchors(anchors, embeddings, labels)
        distances = anchors.squared_distances(embeddings)
        assert distances.flatten(1).min(1).values.max() < 0.5
        assert (distances.flatten(1).argmin(1) // 2 == labels).all()
        assert all(len(set(distances[labels == c, c].argmin(1).tolist())) == 2 for c in (0, 1))


def test_a_class_with_few_images_keeps_its_other_anchors():
    anchors = GReFELAnchors(2, 3, 4, 1.0)
    with torch.no_grad():
        anchors.positions.fill_(7.0)
    place_anchors(anchors, torch.eye(4), torch.tensor([0, 0, 0, 0]))
    assert (anchors.positions[1] == 7).all() and not (anchors.positions[0] == 7).all(-1).any()
    place_anchors(anchors, torch.ones(1, 4), torch.tensor([1]))
    assert anchors.positions[1].tolist() == [[1] * 4, [7] * 4, [7] * 4]


def test_dead_anchors_are_moved_to_what_is_far_from_all():
    embeddings, labels = clusters()
    anchors = GReFELAnchors(2, 2, 4, 1.0)
    place_anchors(anchors, embeddings, labels)
    assert replace_dead_anchors(anchors, embeddings, labels) == 0
    with torch.no_grad():
        lost = anchors.positions[1, 0].clone()
        anchors.positions[1, 0] = 50.0
    assert replace_dead_anchors(anchors, embeddings, labels) == 1
    assert (anchors.positions[1, 0] - lost).norm() < 1


def test_training_starts_anchors_by_kmeans_after_its_first_epoch(tmp_path):
    faces = write_faces(tmp_path / "faces", 48)
    settings = {"num_train_epochs": 2, "stop_after_epoch": 1, "keep": "last", "validation_fraction": 0}
    recipe = write_recipe(tmp_path / "tiny.yaml", **settings)
    distances = {}
    for start in ("random", "kmeans"):
        words = ["--config", recipe, "--train_dir", faces, "--output_dir", tmp_path / start, "--anchor_start", start]
        done = run("train/train.py", *words)
        assert done.returncode == 0, done.stderr
        model, processor = load_checkpoint(str(tmp_path / start / "best"))
        data = load("--train_dir", faces, "--validation_fraction", 0, splits=("train",)).train
        embeddings, labels = embeddings_for_anchors(model, FaceDataset(data, processor, "label"), processor, 16)
        own = model.anchors.squared_distances(embeddings)[torch.arange(48), labels]  # (M, K)
        distances[start] = own.min(-1).values.mean() / embeddings.var(0).sum()
    assert distances["kmeans"] < 0.5 * distances["random"]
