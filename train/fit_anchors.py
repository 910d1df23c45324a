"""
Second stage of training: place the anchors of a trained model, everything else fixed.

    python train/fit_anchors.py --model runs/grefel-small/best --dataset_dir FERPLUS --output_dir OUT

In joint training the anchors may end far outside the embeddings, where all are about equally near and the geometric
correction says nothing. Here they start at the k-means centres of their class's embeddings and then descend on the
loss of the paper (Eq. 23) over training images, together with the temperature delta of Eq. 14. The network's outputs
do not change with the anchors, so each image goes through it once.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans
from tqdm.auto import tqdm
from transformers import AutoImageProcessor, AutoModelForImageClassification

from face_dataset import FaceDataset, normalize, to_unit_range
from adapters.ferplus import load_ferplus
from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.losses import anchor_loss, center_loss, classification_loss
from grefel_hf.reliability_balancing import (
    anchor_similarities,
    confidence,
    correct_distribution,
    geometric_correction,
    squared_anchor_distances,
)
from train import save_model


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of a trained model")
    parser.add_argument("--dataset_dir", required=True, help="FER+ folder of parquet files")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder for the model with its anchors placed")
    parser.add_argument("--samples", type=int, default=10_000, help="training images, drawn at random")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch_size", type=int, default=512)
    parser.add_argument("--learning_rate", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


@torch.no_grad()
def run_network(
    model: GReFELForImageClassification, processor: GReFELImageProcessor, data, batch_size: int = 64
) -> dict[str, torch.Tensor]:
    """Embeddings (M, D), primary and attentive distributions (M, N) and label distributions (M, N) of all images."""
    loader = torch.utils.data.DataLoader(FaceDataset(data, processor, "distribution"), batch_size, num_workers=1)
    found: dict[str, list[torch.Tensor]] = {"embedding": [], "primary": [], "attentive": [], "labels": []}
    for batch in tqdm(loader, desc="embeddings"):
        output = model(pixel_values=normalize(to_unit_range(batch["pixels"]), processor))
        found["embedding"].append(output.embedding)
        found["primary"].append(output.primary_logits.softmax(-1))
        found["attentive"].append(output.attentive_correction)
        found["labels"].append(batch["labels"].float())
    return {name: torch.cat(values) for name, values in found.items()}


def class_centers(embedding: torch.Tensor, labels: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """
    K-means centres (N, K, D) of each class's embeddings, by the top label.

    Raises:
        ValueError: a class has fewer than K images.
    """
    top = labels.argmax(-1)
    centers = []
    for index in range(labels.shape[1]):
        members = embedding[top == index].numpy()
        if len(members) < count:
            raise ValueError(f"class {index} has {len(members)} images for {count} anchors: raise --samples")
        centers.append(KMeans(count, n_init=4, random_state=seed).fit(members).cluster_centers_)
    return torch.from_numpy(np.stack(centers)).float()


def spread(centers: torch.Tensor) -> float:
    """Mean squared distance per dimension between the centres of different classes: the scale for the margin."""
    means = centers.mean(1)  # (N, K, D) -> (N, D)
    distances = torch.cdist(means, means).square() / means.shape[-1]
    return (distances.sum() / (len(means) * (len(means) - 1))).item()


def descend(
    centers: torch.Tensor, found: dict[str, torch.Tensor], config, args: argparse.Namespace
) -> tuple[torch.Tensor, float, float]:
    """
    Anchors (N, K, D), temperature and margin after gradient descent on Eq. 23 from `centers`.

    The temperature starts at the typical distance between an embedding and its anchors over ten, which separates
    the nearest from the rest.
    """
    anchors = centers.clone().requires_grad_()
    typical = squared_anchor_distances(found["embedding"][:1024], centers).sqrt().mean()
    log_temperature = (typical / 10).log().clone().requires_grad_()
    margin = spread(centers)
    optimizer = torch.optim.Adam([{"params": [anchors]}, {"params": [log_temperature]}], lr=args.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    generator = torch.Generator().manual_seed(args.seed)
    for _ in tqdm(range(args.steps), desc="anchors"):
        rows = torch.randint(len(found["embedding"]), (args.batch_size,), generator=generator)
        embedding, target = found["embedding"][rows], found["labels"][rows]
        squared = squared_anchor_distances(embedding, anchors)
        geometric = geometric_correction(anchor_similarities(squared, log_temperature.exp()))
        corrected, _ = correct_distribution(found["primary"][rows], geometric, found["attentive"][rows])
        loss = config.classification_loss_weight * classification_loss(corrected, target)
        # On the corrected distribution alone the anchors could leave the work to the other branches.
        loss = loss + classification_loss(geometric, target)
        loss = loss + config.anchor_loss_weight * anchor_loss(anchors, margin)
        loss = loss + config.center_loss_weight * center_loss(squared, target, embedding.shape[-1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return anchors.detach(), log_temperature.exp().item(), margin


def main(args: argparse.Namespace):
    try:
        model = AutoModelForImageClassification.from_pretrained(args.model).eval()
        processor = AutoImageProcessor.from_pretrained(args.model)
        if model.anchors is None or model.attentive_correction is None:
            raise ValueError(f"{args.model} has no anchors or no attentive correction; this stage needs both.")
        data = load_ferplus(args.dataset_dir, "train", "probability").shuffle(seed=args.seed)
        found = run_network(model, processor, data.select(range(min(args.samples, len(data)))))
        centers = class_centers(found["embedding"], found["labels"], model.config.num_anchors, args.seed)
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot place the anchors: {error}")
    anchors, temperature, margin = descend(centers, found, model.config, args)
    with torch.no_grad():
        model.anchors.positions.copy_(anchors)
        geometric = geometric_correction(
            anchor_similarities(squared_anchor_distances(found["embedding"][:2048], anchors), temperature)
        )
    model.config.anchor_temperature = temperature
    model.config.anchor_margin = margin
    save_model(model, processor, args.output_dir)
    report = {"samples": len(found["embedding"]), "steps": args.steps, "seed": args.seed, "temperature": temperature}
    report |= {"margin": margin, "mean_geometric_confidence": confidence(geometric).mean().item()}
    print(json.dumps(report, indent=2))
    training = Path(args.model).parent / "all_results.json"
    if training.exists():
        results = json.loads(training.read_text()) | {"anchors": report}
        for name in ("dataset_dir", "output_dir", "resume_from_checkpoint"):  # where things lay is nobody's business
            results["args"].pop(name, None)
        (args.output_dir / "all_results.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(parse_args())
