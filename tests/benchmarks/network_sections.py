"""Benchmarks of the network alone: against its backbones, and on every runtime."""

import copy
import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from grefel_hf import GReFELConfig, GReFELForImageClassification
from grefel_hf.checkpoint import BUNDLED_CHECKPOINT
from grefel_hf.model.modeling_grefel import resize
from grefel_hf.runtime.graph import export_module, inference_copy, onnx_graph
from grefel_hf.runtime.int8 import quantize
from grefel_hf.runtime.networks import create_network
from grefel_hf.runtime.onnx_network import OnnxNetwork
from tests.benchmarks.measuring import race

BATCHES = (1, 8, 32)


def new_model(size: str) -> GReFELForImageClassification:
    """grefel-base, or grefel-small as it is bundled. Speed does not depend on the weights."""
    torch.manual_seed(0)
    if size == "small":
        config = GReFELConfig.from_pretrained(BUNDLED_CHECKPOINT)
    else:
        config = GReFELConfig.from_size(size, num_labels=8)
    return GReFELForImageClassification(config).eval().to(memory_format=torch.channels_last)


def pixels(model: GReFELForImageClassification, batch: int) -> np.ndarray:
    size = model.config.image_size
    return np.random.default_rng(0).standard_normal((batch, 3, size, size)).astype(np.float32)


@torch.inference_mode()
def backbones() -> dict[str, float]:
    """The whole forward pass in units of its backbones (and the ViT): eager PyTorch in float32, and ONNX Runtime."""
    figures = onnx_backbones()
    for size, batch in (("small", 1), ("small", 8), ("base", 1), ("base", 8)):
        model = new_model(size)
        parts, config = model.grefel, model.config
        images = torch.from_numpy(pixels(model, batch)).contiguous(memory_format=torch.channels_last)
        crops = [resize(images, side) for side in (config.image_backbone_size, config.landmark_backbone_size)]
        tokens = torch.randn(batch, 1 + config.num_visual_tokens, config.hidden_size)

        def run_backbones(parts=parts, crops=crops):
            parts.pyramid.image_backbone(crops[0])
            parts.pyramid.landmark_backbone(crops[1])

        def run_vit(parts=parts, tokens=tokens):
            hidden_states = tokens
            for layer in parts.layers:
                hidden_states = layer(hidden_states)
            parts.layernorm(hidden_states)

        actions = {"whole": lambda m=model, i=images: m(i), "backbones": run_backbones, "vit": run_vit}
        times = race(actions, rounds=3, calls=2) if size == "base" else race(actions)
        name = f"grefel-{size}, batch {batch}"
        figures[f"{name}: ms"] = times["whole"]
        figures[f"{name}: / backbones"] = times["whole"] / times["backbones"]
        figures[f"{name}: / (backbones + ViT)"] = times["whole"] / (times["backbones"] + times["vit"])
    return figures


class Backbones(nn.Module):
    """Both backbones on pixel values (B, 3, S, S), without the landmark head."""

    def __init__(self, model: GReFELForImageClassification):
        super().__init__()
        self.pyramid = model.grefel.pyramid

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        config = self.pyramid.config
        images = self.pyramid.image_backbone(resize(pixel_values, config.image_backbone_size))
        landmarks = self.pyramid.landmark_backbone(resize(pixel_values, config.landmark_backbone_size))
        return (*images, *landmarks)


def onnx_backbones() -> dict[str, float]:
    """The graph that the predictor runs on a CPU by default, in units of its backbones in the same form."""
    model = new_model("small")
    example = torch.from_numpy(pixels(model, 2))
    backbones_alone = Backbones(inference_copy(model))
    names = [f"map_{number}" for number in range(len(backbones_alone(example)))]
    graphs = {
        "whole": OnnxNetwork(onnx_graph(model)),
        "backbones": OnnxNetwork(export_module(backbones_alone, example, names)),
    }
    figures = {}
    for batch in (1, 8):
        images = pixels(model, batch)
        times = race({name: functools.partial(graph, images) for name, graph in graphs.items()}, calls=8)
        figures[f"grefel-small on ONNX Runtime, batch {batch}: ms"] = times["whole"]
        figures[f"grefel-small on ONNX Runtime, batch {batch}: / backbones"] = times["whole"] / times["backbones"]
    return figures


def runtimes(compiled: bool) -> dict[str, float]:
    """Milliseconds a face of grefel-small on each runtime, and how many times as fast as eager PyTorch that is."""
    model = new_model("small")
    calibration = [pixels(model, 8)]
    networks: dict[str, Callable] = {
        "eager": create_network(model, "torch"),
        "bf16": bfloat16_network(model),
        "onnx": create_network(model, "onnx"),
        "onnx int8": OnnxNetwork(quantize(onnx_graph(model, split=False), calibration)),
    }
    if compiled:
        networks["compiled"] = create_network(copy.deepcopy(model), "compile")
    figures = {}
    for batch in BATCHES:
        images = pixels(model, batch)
        rounds, calls = (5, 4) if batch < 32 else (3, 2)
        actions = {name: functools.partial(network, images) for name, network in networks.items()}
        times = race(actions, rounds, calls)
        for name, milliseconds in times.items():
            figures[f"batch {batch}, {name}: ms a face"] = milliseconds / batch
            figures[f"batch {batch}, {name}: times eager's speed"] = times["eager"] / milliseconds
    return figures


def bfloat16_network(model: GReFELForImageClassification) -> Callable[[np.ndarray], object]:
    @torch.inference_mode()
    def run(images: np.ndarray):
        with torch.autocast("cpu", torch.bfloat16):
            return model(torch.from_numpy(images))

    return run
