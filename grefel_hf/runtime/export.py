"""
Export a checkpoint to ONNX, for ONNX Runtime and whatever else reads the format.

    python -m grefel_hf.export_onnx --model DIR_OR_ID --output FILE.onnx
    python -m grefel_hf.export_onnx --output FILE.onnx --int8 --calibration_images FOLDER_OR_PARQUET

The graph takes `pixel_values` (batch, 3, S, S), as the image processor makes them, in batches of any size, and gives
every output field but losses. It is compared with PyTorch before the file appears. With --int8 the convolutions and
linear layers of the encoder compute in 8 bits, with ranges measured on face crops (100 are plenty): a folder, or a
parquet file with a column `image`, as FER+ comes.
`FacialExpressionPredictor.from_pretrained(runtime="FILE.onnx")` runs such a file.
"""

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..checkpoint import BUNDLED_CHECKPOINT, checkpoint_digest
from ..faces.folders import find_photos
from ..faces.photos import load_photo
from ..files import whole_file
from ..onnx_session import OnnxUnavailableError
from .onnx_network import CHECKPOINT_KEY, WEIGHTS_KEY, GraphMismatchError, OnnxNetwork

if TYPE_CHECKING:
    from ..model.modeling_grefel import GReFELForImageClassification

BATCH_SIZES = (1, 2, 7)  # at which the graph is compared with PyTorch
CALIBRATION_BATCH = 16


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m grefel_hf.export_onnx",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", default=str(BUNDLED_CHECKPOINT), metavar="DIR_OR_ID", help="default: the bundled checkpoint")
    add("--output", type=Path, required=True, metavar="FILE", help="the ONNX file, replaced if it exists")
    add("--int8", action="store_true", help="8-bit convolutions and linear layers; needs --calibration_images")
    add("--calibration_images", type=Path, metavar="PATH", help="face crops: a folder or a parquet file")
    add("--calibration_samples", type=int, default=256, metavar="N", help="at most so many of them (default: 256)")
    args = parser.parse_args(argv)
    if args.int8 != (args.calibration_images is not None):
        parser.error("--int8 and --calibration_images go together")
    if args.output.suffix != ".onnx":
        parser.error(f"--output {args.output} must end in .onnx")
    if args.calibration_samples < 1:
        parser.error("--calibration_samples must be positive")
    return args


def export(args: argparse.Namespace):
    """
    Raises:
        OSError, ValueError: the model, an image or the output file cannot be had.
        OnnxUnavailableError: a package is missing.
        GraphMismatchError: the graph does not compute what the model does.
    """
    from ..loading import load_checkpoint, tensors_digest
    from .graph import check_graph, import_onnx_packages, onnx_graph

    if not args.output.parent.is_dir():
        raise FileNotFoundError(f"the folder {args.output.parent} does not exist: make it, or name another --output")
    images = calibration_images(args.calibration_images) if args.int8 else []
    model, processor = load_checkpoint(args.model)
    import_onnx_packages()
    graph = onnx_graph(model)
    check_graph(OnnxNetwork(graph), model, BATCH_SIZES)
    if args.int8:
        from .int8 import quantize

        batches = list(pixel_batches(evenly(images, args.calibration_samples), processor))
        graph = quantize(onnx_graph(model, split=False), batches)
        print(f"int8: the answer changed on {changed_answers(graph, model, batches)} of the calibration images")
    write_graph(graph, args.output, {WEIGHTS_KEY: tensors_digest(model), CHECKPOINT_KEY: checkpoint_digest(args.model)})


def calibration_images(path: Path) -> list[Path | bytes]:
    """
    The images of a folder, or the encoded ones of a parquet file's column `image`.

    Raises:
        ValueError: there are none, or the file cannot be read.
    """
    if path.suffix == ".parquet":
        import pandas as pd

        try:
            images = [entry["bytes"] for entry in pd.read_parquet(path, columns=["image"])["image"]]
        except Exception as error:  # pyarrow may be missing, and has many types for what a file can lack
            raise ValueError(f"{path} cannot be read: {error}") from error
    else:
        images = find_photos([path])
    if not images:
        raise ValueError(f"{path} holds no images: name a folder of face crops")
    return images


def evenly(items: list, count: int) -> list:
    """`count` of the items, spread over all; all where there are fewer."""
    return [items[index * len(items) // count] for index in range(count)] if count < len(items) else items


def pixel_batches(images: list[Path | bytes], processor) -> Iterator[np.ndarray]:
    """Pixel values (B, 3, S, S)."""
    for start in range(0, len(images), CALIBRATION_BATCH):
        batch = images[start : start + CALIBRATION_BATCH]
        photos = [load_photo(Image.open(io.BytesIO(i)) if isinstance(i, bytes) else i) for i in batch]
        yield processor(photos, return_tensors="np")["pixel_values"]


def changed_answers(graph: bytes, model: "GReFELForImageClassification", batches: list[np.ndarray]) -> str:
    """How many top classes differ from PyTorch's, as "2 of 256"."""
    from .torch_network import TorchNetwork

    answers = [
        np.concatenate([network(batch)["logits"].argmax(-1) for batch in batches])
        for network in (OnnxNetwork(graph), TorchNetwork(model))
    ]
    return f"{(answers[0] != answers[1]).sum()} of {len(answers[0])}"


def write_graph(graph: bytes, file: Path, notes: dict[str, str]):
    """Write a graph, whole or not at all, with the digests of what it came from."""
    import onnx

    proto = onnx.load_from_string(graph)
    onnx.helper.set_model_props(proto, notes)
    with whole_file(file) as partial:
        partial.write_bytes(proto.SerializeToString())
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


def main(argv: Sequence[str] | None = None):
    args = parse_args(argv)
    try:
        export(args)
    except (OSError, ValueError, OnnxUnavailableError, GraphMismatchError) as error:
        sys.exit(f"Cannot export {args.model}: {str(error).strip().splitlines()[0]}")


if __name__ == "__main__":
    main()
