"""
Predict the expressions of a whole dataset, on any number of processes and nodes.

    accelerate launch train/predict.py --model runs/mine/best --dataset_name FACES --split test --output_dir OUT

OUT gets parquet files, each row with the number and name of its image, label, score, both distributions and the
confidences. Images are face crops, as in training; with --detector they are photos, and each row is a face. Run it
again after it was stopped: what is there stays, the rest is added. Any number of processes gives the same rows. OUT
must be on a disk that all nodes share.

`datasets.load_dataset("parquet", data_files="OUT/*.parquet")` reads the whole.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from grefel_hf.faces.detection import DETECTORS, create_detector
from grefel_train.data.arguments import add_source_arguments
from grefel_train.flags import FlagParser, at_least


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--model", required=True, help="Folder or Hub id.")
    add("--output_dir", type=Path, required=True, help="New, or of the same run, which then goes on.")
    add("--split", help="Name of the split; may be left out where there is one only.")
    add_source_arguments(parser.add_argument_group("data").add_argument)
    add("--on_bad_image", choices=["error", "skip"], default="error", help="Stop, or write a row with the error.")
    add("--detector", choices=DETECTORS, default="none", help="How faces are found in photos; none for face crops.")
    add("--embeddings", action="store_true", help="Write the model's embedding of each face, too.")
    add("--batch_size", type=at_least(1, int), default=64, help="Faces per forward pass.")
    add("--rows_per_part", type=at_least(1, int), default=2048, help="Images in each parquet file.")
    add("--num_workers", type=at_least(1, int), help="Threads that read images; default: a process's cores.")
    add(
        "--num_threads",
        type=at_least(1, int),
        default=1,
        help="Threads of the network on a CPU. Sums may come out differently with another number, so that it is not "
        "left to the launcher: to use all cores, start more processes.",
    )
    parser.set_defaults(train_dir=None, validation_dir=None, streaming=False)  # which training has besides
    return parser.parse_args(argv)


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from datasets import Dataset, Image
from tqdm.auto import tqdm
from transformers.utils.logging import disable_progress_bar

from grefel_hf import DetectorUnavailableError
from grefel_hf.checkpoint import checkpoint_digest
from grefel_hf.files import check_folder
from grefel_hf.loading import load_checkpoint
from grefel_hf.plurals import counted
from grefel_train.data.columns import find_image_column, with_images
from grefel_train.data.dataset import BadImageError
from grefel_train.data.sources import load_source
from grefel_train.prediction.parts import Parts, begin_or_continue, data_fingerprint
from grefel_train.prediction.predictor import PartPredictor

START_ERRORS = (OSError, ValueError, DetectorUnavailableError)


def main(args: argparse.Namespace):
    # Processes meet at the start only, where the first one may be downloading.
    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(hours=12))])
    try:
        predict(args, accelerator)
        status = 0
    except BadImageError as error:
        status = f"Stopped: {error} What is written stays; the same command goes on from here."
    except START_ERRORS as error:
        status = f"Cannot predict: {error}"
    if accelerator.num_processes == 1:
        sys.exit(status)
    # Freeing the model now can wait for ever: gloo's threads may still hold what belongs to its process group.
    if isinstance(status, str):
        print(status, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(status != 0))


def predict(args: argparse.Namespace, accelerator: Accelerator):
    """
    Write the parts that are missing, those of this process.

    Raises:
        BadImageError: an image cannot be read.
        OSError, ValueError, DetectorUnavailableError: flags, model, data or output folder do not work.
    """
    disable_progress_bar()
    torch.set_num_threads(args.num_threads)
    check_folder(args.output_dir)
    with accelerator.main_process_first():  # it fills the caches of `datasets` for the others
        data, column = load_images(args)
    model, processor = load_checkpoint(args.model)
    model = model.to(accelerator.device)
    detector = create_detector(args.detector)
    parts = Parts(args.output_dir, len(data), args.rows_per_part)
    settings = {
        "model_sha256": checkpoint_digest(args.model),
        "data_sha256": data_fingerprint(data, column),
        "rows": len(data),
        "detector": detector.name,
    }
    settings |= {name: getattr(args, name) for name in ("embeddings", "batch_size", "rows_per_part", "num_threads")}
    with accelerator.main_process_first():  # the others, perhaps on other nodes, see that they have the same
        begin_or_continue(args.output_dir, settings)
    predictor = PartPredictor(args, data, column, model, processor, detector)
    mine = parts.missing()[accelerator.process_index :: accelerator.num_processes]
    accelerator.wait_for_everyone()  # all have looked before one writes
    for part in tqdm(mine, desc="parts", disable=not accelerator.is_main_process):
        parts.write(part, predictor.table(parts.rows(part)))
    if not parts.missing():  # the last process sees that
        print(f"All {len(data)} rows are in {args.output_dir}, {counted(len(parts), 'file')}.")


def load_images(args: argparse.Namespace) -> tuple[Dataset, str]:
    """The split with its undecoded images, and the name of their column. Labels are not read."""
    source = load_source(args)
    names = ", ".join(source.splits)
    if args.split is None and len(source.splits) > 1:
        raise ValueError(f"{source.name} has several splits, name one with --split: {names}.")
    data = source.splits.get(args.split or next(iter(source.splits)))
    if data is None:
        raise ValueError(f"{source.name} has no split {args.split!r} (--split); it has {names}.")
    if not len(data):
        raise ValueError(f"The split {args.split or names!r} of {source.name} is empty.")
    column = find_image_column(data.features, source, args.image_column_name)
    if not isinstance(data.features[column], Image):
        data = with_images(data, column, source, must_exist=False)
    return data.select_columns([column]).cast_column(column, Image(decode=False)), column


if __name__ == "__main__":
    main(parse_args())
