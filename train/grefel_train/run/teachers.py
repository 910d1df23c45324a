"""Trained image backbones with one linear layer, and how several of them teach another network."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from grefel_hf.files import file_digest, whole_file
from grefel_hf.model.backbone_mobilenet_v1 import MobileNetV1, MobileNetV1Conv

CLASSIFIER_FILE = "classifier.safetensors"
CLASSES = "label_names"  # in the file's metadata


class ExpressionClassifier(nn.Module):
    """Pixels (B, 3, S, S) to logits (B, N): the backbone's last two maps, averaged and normalised, and one layer."""

    def __init__(self, num_labels: int):
        super().__init__()
        self.backbone = MobileNetV1()
        self.norms = nn.ModuleList([nn.LayerNorm(512), nn.LayerNorm(1024)])
        self.classifier = nn.Linear(512 + 1024, num_labels)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        _, middle, high = self.backbone(pixel_values)
        means = [norm(maps.float().mean((2, 3))) for norm, maps in zip(self.norms, (middle, high))]
        return self.classifier(torch.cat(means, -1))


class Teachers:
    """
    Trained classifiers whose mean distribution, of the very view that a network sees, has a share in its targets
    (Hinton et al., 2015; Beyer et al., 2022).

    Args:
        files: what `save_classifier` wrote; none is no teacher, and `taught` changes nothing.
        label_names: the classes that they must know, in this order.
        weight: their share, between 0 and 1.

    Raises:
        OSError, SafetensorError: a file that cannot be read.
        ValueError: one that holds something else, or other classes.
    """

    def __init__(self, files: Sequence[str], label_names: Sequence[str], weight: float, accelerator: Accelerator):
        self.networks = [load_classifier(file, label_names).to(accelerator.device) for file in files]
        self.digests = [file_digest(file) for file in files]
        self.weight = weight
        self.accelerator = accelerator

    @torch.no_grad()
    def taught(self, pixel_values: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The targets (B, N) of pixel values (B, 3, S, S), with the teachers' opinion of these in them."""
        if not self.networks:
            return targets
        with self.accelerator.autocast():
            opinions = torch.stack([network(pixel_values) for network in self.networks])
        return torch.lerp(targets, opinions.float().softmax(-1).mean(0), self.weight)


def save_classifier(file: Path, weights: dict[str, torch.Tensor], label_names: Sequence[str]):
    """Write the `state_dict` of an `ExpressionClassifier`."""
    weights = {name: weight.cpu().contiguous() for name, weight in weights.items()}
    with whole_file(file) as partial:
        save_file(weights, partial, {CLASSES: json.dumps(list(label_names))})


def load_classifier(file: str, label_names: Sequence[str]) -> ExpressionClassifier:
    """For inference: in eval mode, with the batch norms folded into the convolutions."""
    if not Path(file).is_file():
        raise FileNotFoundError(f"{file} does not exist; train/train_backbone.py makes such a file.")
    with safe_open(file, "pt") as opened:
        classes = json.loads((opened.metadata() or {}).get(CLASSES, "null"))
        weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    if classes is None:
        raise ValueError(f"{file} is no classifier of train/train_backbone.py: it does not name its classes.")
    if classes != list(label_names):
        raise ValueError(f"{file} knows the classes {', '.join(classes)}; the data has {', '.join(label_names)}.")
    model = ExpressionClassifier(len(classes))
    model.load_state_dict(weights)
    model.eval()
    for module in model.modules():
        if isinstance(module, MobileNetV1Conv):
            module.convolution = fuse_conv_bn_eval(module.convolution, module.normalization)
            module.normalization = nn.Identity()
    return model.requires_grad_(False).to(memory_format=torch.channels_last)
