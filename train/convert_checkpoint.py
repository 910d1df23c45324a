"""
Convert published checkpoints that you have into grefel_hf's layout.

    python train/convert_checkpoint.py ir50.pth --output_dir weights/ir50
    python train/convert_checkpoint.py mobilefacenet_model_best.pth.tar --output_dir weights/landmarks [--landmark_head]
    python train/convert_checkpoint.py poster_v2.pth --output_dir weights/poster

Takes face.evoLVe's IR-50, the 68-landmark MobileFaceNet of pytorch_face_landmark, and POSTER++'s IR-50 or whole
checkpoint, as PyTorch pickles (of which nothing is run) or safetensors; the layout is recognised by its names. No
version of grefel_hf has had other names than today's. Writes into a new folder, whole or not at all:

    image_backbone.safetensors, landmark_backbone.safetensors   for train.py --image_backbone, --landmark_backbone
    encoder/         of a whole POSTER++ checkpoint: for train.py --model_name_or_path; heads start new
    conversion.json  which tensor came from which, what was left out and why

A backbone computes what the published one does for the same pixel values. POSTER++ is GReFEL's encoder with w_q = 1 in
Eq. 1; what still differs is not in the weights: its fusion norms have an epsilon of 1e-5 (here 1e-6), it shrinks images
to every other pixel (here the mean of 2 x 2), and it wants ImageNet's mean and deviation, which the image processor in
encoder/ has. Its classifier and its 68-point head are left out.

The published landmark network takes pixels in [0, 1], GReFEL's processor gives (x - 127.5) / 128. With --landmark_head
its first convolution is rescaled to these (exactly, but for the zeros that it pads the border with), as its points are
right for the pixels that it was trained on; without, it stays as published, which is how POSTER++ uses it.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="a checkpoint: .pth, .pt, .tar, .bin or .safetensors")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder to make; it must not hold anything yet")
    parser.add_argument("--landmark_head", action="store_true", help="keep the 68-point head of the landmark network")
    parser.add_argument("--backbones_only", action="store_true", help="of a POSTER++ checkpoint convert no encoder")
    return parser.parse_args(argv)


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from grefel_hf import GReFELConfig, GReFELImageProcessor, GReFELModel
from grefel_hf.files import whole_folder
from grefel_hf.model.backbone_iresnet import IResNet
from grefel_hf.model.backbone_mobilefacenet import MobileFaceNet
from grefel_train.backbones.landmark_head import PUBLISHED_HEAD, folded, for_our_pixels, published_head
from grefel_train.backbones.layouts import ENCODER, IMAGE, LANDMARK, LANDMARK_HEAD, ConversionError, find_layout
from grefel_train.backbones.untrusted_files import read_tensors

IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
COUNTER = "num_batches_tracked"
IDENTITY = "(identity: POSTER++ has no w_q)"
HEAD = "landmark_head"
NAMES_SHOWN = 8


@dataclass
class Conversion:
    """
    layout: what the file is.
    states: the weights of each file to write, under our names.
    sources: for each network, our names and the published ones.
    left_out: published names and the module and reason for which each is left out.
    notes: what was done beside renaming.
    """

    layout: str
    states: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    left_out: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def convert(
    tensors: Mapping[str, Any], config: GReFELConfig, backbones_only: bool = False, landmark_head: bool = False
) -> Conversion:
    """
    Published weights as ours.

    Args:
        tensors: a state dict.
        config: of the GReFEL model that they are for.
        backbones_only: of a whole POSTER++ checkpoint, leave the rest.
        landmark_head: keep the 68-point head of the landmark network, and rescale its first convolution.

    Raises:
        ConversionError: unknown layout; a tensor that is missing, unknown, of another shape, or holds no numbers.
    """
    layout = find_layout(tensors, config, backbones_only)
    networks = dict(layout.networks)
    if landmark_head:
        if LANDMARK not in networks or LANDMARK_HEAD not in layout.unused:
            raise ConversionError(f"--landmark_head needs the 68-landmark MobileFaceNet, and it is {layout.title}.")
        networks[HEAD] = PUBLISHED_HEAD
    result, problems = Conversion(layout.title), []
    for network, modules in networks.items():
        state, sources, wrong = renamed(tensors, expected_tensors(network, config), modules)
        result.states[network], result.sources[network] = state, sources
        problems += [problem for problem in wrong if problem not in problems]
    used = {source for sources in result.sources.values() for source in sources.values()}
    for name in tensors:
        reason = None if name in used else layout.unused_module(name)
        if reason:
            result.left_out[name] = reason
        elif name not in used:
            problems.append(f"{name} is unknown, and may change what the network computes")
    if problems:
        more = f"; and {len(problems) - NAMES_SHOWN} more" if len(problems) > NAMES_SHOWN else ""
        raise ConversionError(f"it looks like {layout.title}, but {'; '.join(problems[:NAMES_SHOWN])}{more}.")
    if landmark_head:
        parts = {"landmark_backbone": for_our_pixels(result.states[LANDMARK]), HEAD: folded(result.states.pop(HEAD))}
        result.states[LANDMARK] = {f"{part}.{name}": v for part, state in parts.items() for name, v in state.items()}
        result.notes.append("The first convolution takes (x - 127.5) / 128 where the published one takes x / 255.")
        result.notes.append("The batch norm after the head's linear layer is folded into it.")
    return result


def expected_tensors(network: str, config: GReFELConfig) -> dict[str, torch.Tensor]:
    """Names and shapes of what a network needs."""
    if network == ENCODER:
        return GReFELModel(config).state_dict()
    with torch.device("meta"):
        if network == IMAGE:
            return IResNet(config.iresnet_depths).state_dict()
        return (MobileFaceNet() if network == LANDMARK else published_head(config.landmark_grids[-1])).state_dict()


def renamed(
    tensors: Mapping[str, Any], expected: Mapping[str, torch.Tensor], modules: Mapping[str, str | None]
) -> tuple[dict[str, torch.Tensor], dict[str, str], list[str]]:
    """The tensors under our names in float32, the published name of each, and what is wrong with them."""
    state, sources, problems = {}, {}, []
    for name, like in expected.items():
        source = published_name(name, modules)
        if source is None:
            state[name] = torch.eye(len(like)) if name.endswith("weight") else torch.zeros(len(like))
            sources[name] = IDENTITY
        elif source not in tensors and name.endswith(COUNTER):  # files of before PyTorch 0.4.1 have none
            state[name] = torch.zeros((), dtype=torch.int64)
        else:
            problem = problem_of(source, tensors.get(source), like)
            sources[name] = source
            if problem:
                problems.append(problem)
            else:
                state[name] = tensors[source].detach().to(like.dtype).clone()
    return state, sources, problems


def published_name(name: str, modules: Mapping[str, str | None]) -> str | None:
    """Their name of one of our tensors: that of its module, or of the module around that, in front of the rest."""
    module = name
    while module and module not in modules:
        module = module.rpartition(".")[0]
    return None if modules[module] is None else modules[module] + name[len(module) :]


def problem_of(name: str, value: Any, like: torch.Tensor) -> str | None:
    """What keeps a value from being used where a tensor like `like` belongs."""
    if value is None:
        return f"{name} is missing"
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_quantized or value.is_meta:
        return f"{name} is no plain tensor"
    if value.shape != like.shape:
        return f"{name} has the shape {tuple(value.shape)} and must have {tuple(like.shape)}"
    if value.is_floating_point() != like.is_floating_point():
        return f"{name} holds {value.dtype} and must hold {like.dtype}"
    if not torch.isfinite(value).all():
        return f"{name} holds values that are no numbers"
    return None


def write(conversion: Conversion, folder: Path, config: GReFELConfig, origin: dict[str, Any]):
    """
    The files of a conversion, in a folder that appears whole or not at all.

    Raises:
        OSError, SafetensorError: it cannot be written.
    """
    with whole_folder(folder) as partial:
        for network, state in conversion.states.items():
            if network == ENCODER:
                save_encoder(state, partial / ENCODER, config)
            else:
                save_file(state, partial / f"{network}.safetensors", {"format": "pt", **origin})
        record = {
            **origin,
            "left_out": {name: reason for name, (_, reason) in conversion.left_out.items()},
            "notes": conversion.notes,
            "sources": conversion.sources,
        }
        (partial / "conversion.json").write_text(json.dumps(record, indent=2) + "\n")


def save_encoder(state: dict[str, torch.Tensor], folder: Path, config: GReFELConfig):
    model = GReFELModel(config)
    model.load_state_dict(state)
    model.save_pretrained(folder)
    size = {"height": config.image_size, "width": config.image_size}
    GReFELImageProcessor(size=size, image_mean=IMAGENET_MEAN, image_std=IMAGENET_STD).save_pretrained(folder)


def print_report(conversion: Conversion, beside: list[str]):
    """What was mapped, module by module, and what was left out and why."""
    for network, state in conversion.states.items():
        sources = conversion.sources[network] | (conversion.sources.get(HEAD, {}) if network == LANDMARK else {})
        modules = dict.fromkeys(top_module(source) for source in sources.values() if source != IDENTITY)
        print(f"{network}: {len(state)} tensors from {', '.join(modules)}")
        if IDENTITY in sources.values():
            print("  w_q of Eq. 1, which POSTER++ does not have, is set to the identity: what POSTER++ computes")
    for reason, count in Counter(reason for _, reason in conversion.left_out.values()).items():
        modules = dict.fromkeys(module for module, why in conversion.left_out.values() if why == reason)
        print(f"left out {', '.join(modules)} ({count} tensors): {reason}")
    if beside:
        print(f"left out, as they are no weights: {', '.join(beside)}")
    for note in conversion.notes:
        print(note)


def top_module(name: str) -> str:
    """`body.3` of body.3.res_layer.0.weight: the first component that is no number, with what it is within."""
    parts = name.split(".")
    depth = 2 if parts[0] in ("ir_back", "face_landback", "VIT", LANDMARK_HEAD) else 1
    return ".".join(parts[:depth])


def main(argv=None):
    args = parse_args(argv)
    folder = args.output_dir.resolve()
    if folder.is_file() or folder.is_dir() and any(folder.iterdir()):
        sys.exit(f"{args.output_dir} is there already: name a new folder as --output_dir.")
    config = GReFELConfig.from_size("base")
    try:
        tensors, beside = read_tensors(args.file)
        conversion = convert(tensors, config, args.backbones_only, args.landmark_head)
    except ConversionError as error:
        sys.exit(f"{args.file} cannot be converted: {error}")
    print(f"{args.file} is {conversion.layout}: {len(tensors)} tensors.")
    print_report(conversion, beside)
    digest = hashlib.sha256(args.file.read_bytes()).hexdigest()
    try:
        write(conversion, folder, config, {"file": args.file.name, "sha256": digest, "layout": conversion.layout})
    except (OSError, SafetensorError) as error:
        sys.exit(f"{args.output_dir} cannot be written: {error}")
    print(f"Wrote {args.output_dir}.")


if __name__ == "__main__":
    main()
