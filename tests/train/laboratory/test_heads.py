"""Every arm of the laboratory learns what tiny features tell, and the table says what was measured."""

import functools
import json
from dataclasses import replace

import pytest
import torch

from grefel_train.laboratory.arms import ARMS, arm_config
from grefel_train.laboratory.features import Features
from grefel_train.laboratory.noise import Noise
from grefel_train.laboratory.table import Plan, run_plan, to_markdown
from grefel_train.laboratory.training import measure, subset, train_heads
from tests.helpers.tiny import tiny_config

SIDE = 2  # of the tiny model's coarsest grid


def features(count: int, width: int, seed: int = 0) -> Features:
    """Of three classes, each along an axis of its own in every token."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    tokens = 0.5 * torch.randn(count, 1 + 3 * SIDE**2, width, generator=random)
    tokens[torch.arange(count), :, labels] += 2
    grid = tokens[:, 1:].view(count, 3, SIDE, SIDE, width).flip(3).reshape(count, -1, width)
    return Features(tokens.half(), tokens[:, 0], labels, torch.cat([tokens[:, :1], grid], 1).half())


@pytest.mark.parametrize("key", ARMS)
@pytest.mark.parametrize("width", [32, 20])  # that of the heads, and one that needs an adapter
def test_an_arm_learns(key, width):
    train, arm, config = features(60, width), ARMS[key], tiny_config()
    heads = train_heads(lambda: arm.make(width, arm_config(arm, config), train.labels), train, 1e-2, 100, seed=0)
    found = measure(heads, features(30, width, seed=1))
    assert found["samples"] == 30 and found["accuracy"] > 0.8


def test_all_arms_weigh_their_answer_alike_and_differ_as_they_say():
    configs = {key: arm_config(arm, tiny_config(primary_loss_weight=0.7)) for key, arm in ARMS.items()}
    assert {config.classification_loss_weight for config in configs.values()} == {1.0}
    assert configs["paper"].primary_loss_weight == configs["paper"].geometric_loss_weight == 0
    assert configs["kmeans"].anchor_distance == "cosine" and configs["kmeans"].detach_confidences
    assert configs["kmeans"].to_dict() == configs["by_part"].to_dict()
    assert configs["earlier"].anchor_distance == "euclidean"
    assert not configs["anchors"].use_attentive_correction and not configs["attention"].use_anchors


def test_kmeans_moves_the_anchors_to_the_embeddings():
    train, config = features(60, 32), tiny_config()
    found = {}
    for key in ("by_part", "kmeans"):
        make = functools.partial(ARMS[key].make, 32, arm_config(ARMS[key], config), train.labels)
        heads = train_heads(make, train, 1e-5, 20, seed=0)
        found[key] = heads.model.anchors.squared_distances(train.embedding).flatten(1).min(1).values.mean()
    assert found["kmeans"] < 0.5 * found["by_part"]


def test_all_arms_of_a_seed_see_the_same_images_and_wrong_labels():
    own = subset(features(60, 8), 30, Noise(0.2), 3, seed=1)
    again = subset(features(60, 8), 30, Noise(0.2), 3, seed=1)
    assert len(own.labels) == 30 and (own.labels == again.labels).all()
    assert (own.tokens[:, 0, :3].argmax(-1) != own.labels).float().mean() == pytest.approx(0.2, abs=0.1)


def test_a_table_has_every_run_once(tmp_path):
    train, validation = features(60, 32), features(30, 32, seed=1)
    plan = Plan(("primary", "kmeans"), (30, 0), (Noise(), Noise(0.4)), (0, 1), (1e-3,), 5)
    found = run_plan(plan, train, validation, tiny_config(), tmp_path / "l.json")
    assert len(found["results"]) == 16 and found == json.loads((tmp_path / "l.json").read_text())
    marked = json.loads((tmp_path / "l.json").read_text())
    for key, row in marked["results"].items():
        row["accuracy"] = 0.75 if key.startswith("kmeans") else 0.5
    (tmp_path / "l.json").write_text(json.dumps(marked))
    found = run_plan(plan, train, validation, tiny_config(), tmp_path / "l.json")
    assert found == marked, "runs that are there are not run again"
    with pytest.raises(ValueError, match="has runs of another kind"):
        run_plan(replace(plan, steps=6), train, validation, tiny_config(), tmp_path / "l.json")
    table = to_markdown(plan, found, 60)
    assert "| 30, 0% wrong | 30, 40% wrong | 60, 0% wrong | 60, 40% wrong |" in table
    assert "| Primary head only | 0.001 | 50.00 |" in table and "| **+25.00 ± 0.00** |" in table
    marked["results"]["kmeans 30 0 1"]["accuracy"] = 0.5  # as good as the other's best: no longer apart
    assert "| +12.50 ± 12.50 | **+25.00 ± 0.00** |" in to_markdown(plan, marked, 60)
