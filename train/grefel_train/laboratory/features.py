"""Features of images, computed once and stored: what heads are trained on."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from datasets import Dataset
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.files import whole_file
from grefel_hf.loading import tensors_digest
from grefel_hf.model.modeling_grefel import resize
from grefel_train.data.adapters.canonical import read_column
from grefel_train.data.fingerprint import data_fingerprint
from grefel_train.data.splits import class_ids
from grefel_train.evaluation.collect import EvaluationFaces
from grefel_train.evaluation.forward import concatenated, forward_batches


@dataclass(frozen=True)
class Features:
    """
    Of M images:

    Attributes:
        tokens: (M, 1 + T, D) float16, CLS first.
        mirrored: (M, 1 + T, D) the same of the mirrored images; None of images that are only measured on.
        embedding: (M, D).
        labels: (M,) class ids.
        votes: (M, N) shares of the taggers' votes; None of data without.
    """

    tokens: torch.Tensor
    embedding: torch.Tensor
    labels: torch.Tensor
    mirrored: torch.Tensor | None = None
    votes: torch.Tensor | None = None

    def select(self, rows: torch.Tensor) -> "Features":
        return Features(**{name: None if values is None else values[rows] for name, values in vars(self).items()})

    def float(self) -> "Features":
        mirrored = None if self.mirrored is None else self.mirrored.float()
        return replace(self, tokens=self.tokens.float(), mirrored=mirrored)


def encode(model: GReFELForImageClassification, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """CLS and the tokens of the coarsest level (B, 1 + T, D), and the embedding (B, D), of the whole encoder."""
    output, cells = model.grefel(pixel_values), model.config.fusion_grids[-1] ** 2
    return torch.cat([output.last_hidden_state[:, :1], output.last_hidden_state[:, -cells:]], 1), output.pooler_output


def encode_by_backbone(
    model: GReFELForImageClassification, pixel_values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    The image backbone's middle and coarsest maps, averaged to the coarsest grid of the fusion and laid side by side:
    one token a cell, and their mean as CLS and embedding.
    """
    side = model.config.fusion_grids[-1]
    maps = model.grefel.pyramid.image_backbone(resize(pixel_values, model.config.image_backbone_size))[1:]
    cells = torch.cat([torch.nn.functional.adaptive_avg_pool2d(m, side) for m in maps], dim=1)
    cells = cells.flatten(2).transpose(1, 2)  # (B, C, S, S) -> (B, S * S, C)
    mean = cells.mean(1)
    return torch.cat([mean[:, None], cells], dim=1), mean


def stored_features(
    file: Path,
    data: Dataset,
    model: GReFELForImageClassification,
    processor: GReFELImageProcessor,
    by_backbone: bool,
    mirror: bool,
    batch_size: int = 64,
) -> Features:
    """
    The features in the file, computed first where it is not there.

    Args:
        by_backbone: of the image backbone alone, not of the whole encoder.
        mirror: those of mirrored images, too.

    Raises:
        ValueError: the file has those of something else.
    """
    part = model.grefel.pyramid.image_backbone if by_backbone else model.grefel
    key = f"{tensors_digest(part)} {data_fingerprint(data)}"
    if not file.exists():
        accelerator = Accelerator()
        model = model.to(accelerator.device)
        run = encode_by_backbone if by_backbone else encode

        def answers(pixel_values: torch.Tensor) -> dict[str, torch.Tensor]:
            tokens, embedding = run(model, pixel_values)
            found = {"tokens": tokens.half(), "embedding": embedding.float()}
            return found | ({"mirrored": run(model, pixel_values.flip(-1))[0].half()} if mirror else {})

        loader = accelerator.prepare(DataLoader(EvaluationFaces(data, processor), batch_size))
        found = concatenated(forward_batches(answers, loader, processor, accelerator, title=file.stem))
        tensors = {name: found[name].contiguous() for name in ("tokens", "embedding", "mirrored") if name in found}
        tensors["labels"] = torch.as_tensor(class_ids(data)).long()
        if "distribution" in data.column_names:
            tensors["votes"] = torch.tensor(read_column(data, "distribution").to_pylist())
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as partial:
            save_file(tensors, partial, metadata={"key": key})
    with safe_open(file, "pt") as stored:
        if stored.metadata()["key"] != key or (mirror and "mirrored" not in stored.keys()):
            raise ValueError(f"{file} has features of something else: name another --cached_features, or delete it.")
    return Features(**load_file(file))
