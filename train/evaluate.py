"""
Measure how good, and how reliable, a checkpoint is on any dataset.

    python train/evaluate.py --model DIR_OR_ID --dataset_dir FERPLUS [--split validation] --output_dir OUT

writes OUT/metrics.json, OUT/figures/*.png and *.svg, and OUT/report.html, which stands alone: the primary and the
corrected distribution side by side, with bootstrap intervals. --robustness adds disturbed images, --group_columns a
comparison of groups, --anchor_gallery the images nearest to each anchor. --output FILE.json writes the metrics alone.
Data is named as for train.py. Runs under `accelerate launch` too, with the same figures. docs/evaluation.md explains.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from grefel_train.data.arguments import add_data_arguments, add_label_map_argument
from grefel_train.flags import FlagParser, at_least


def parse_args(argv=None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--model", required=True, help="Folder or Hub id.")
    add_data_arguments(parser)
    add("--split", dest="validation_split", help="Which split to measure on: --validation_split by a shorter name.")
    add_label_map_argument(add)
    add(
        "--only_shown_classes",
        action="store_true",
        help="Let the model choose among classes of which the data has images; by default it may answer the others.",
    )
    add(
        "--compare_with_training_images",
        action="store_true",
        help="Read the training images as well: those of the same pixels count as duplicates. FER+ needs no such look.",
    )
    add("--group_columns", nargs="+", default=[], help="Columns (gender, age group, ...) whose groups are compared.")
    add("--metadata_csv", type=Path, help="CSV file with a column file_name, which brings further such columns.")
    add("--robustness", action="store_true", help="Measure on disturbed images as well: 50 passes.")
    add("--robustness_samples", type=at_least(0, int), default=800, help="Images for that; 0 for all.")
    add("--anchor_gallery", action="store_true", help="Write the images nearest to each anchor to --output_dir.")
    add("--mirror", action=argparse.BooleanOptionalAction, default=True, help="Measure mirror averaging as well.")
    add("--runtime", default="torch", help="torch, compile, onnx, or a file of `python -m grefel_hf.export_onnx`.")
    add("--batch_size", type=at_least(1, int), default=64)
    add("--dataloader_num_workers", type=at_least(0, int), default=1)
    add("--resamples", type=at_least(0, int), default=1000, help="Of the bootstrap; 0 for no intervals.")
    add("--embedding_samples", type=at_least(1, int), default=5000, help="Embeddings kept, of images drawn at random.")
    add("--tsne_samples", type=at_least(1, int), default=2000, help="Of these, how many are in the t-SNE picture.")
    add("--seed", type=at_least(0, int), default=0, help="Of resamples, disturbances and the t-SNE picture.")
    add("--output", type=Path, help="JSON file for the metrics.")
    add("--output_dir", type=Path, help="Folder for metrics.json, figures and report.html.")
    args = parser.parse_args(argv)
    if args.streaming:
        parser.error("--streaming: evaluation reads the images in an order of its own; leave it out.")
    if args.anchor_gallery and not args.output_dir:
        parser.error("--anchor_gallery needs --output_dir.")
    return args


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import numpy as np
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.checkpoint import checked_name, weights_file_digest
from grefel_hf.files import check_folder
from grefel_hf.hub import checkpoint_folder
from grefel_hf.loading import load_checkpoint
from grefel_hf.model.modeling_grefel import GReFELImageClassifierOutput
from grefel_hf.onnx_session import OnnxUnavailableError
from grefel_hf.reliability import load_reliability
from grefel_hf.runtime.networks import Network, create_network
from grefel_hf.runtime.onnx_network import GraphMismatchError
from grefel_train.data.class_names import class_names
from grefel_train.data.loading import load_face_data
from grefel_train.evaluation.certainty import measure_certainty
from grefel_train.evaluation.collect import Collected, EvaluationFaces, collect
from grefel_train.evaluation.gallery import write_gallery
from grefel_train.evaluation.images import (
    EvaluationData,
    in_model_classes,
    load_evaluation_data,
    only_shown_classes,
    with_repeats,
)
from grefel_train.evaluation.material import Material
from grefel_train.evaluation.measure import as_json, json_text, measure, sorted_by_content
from grefel_train.evaluation.robustness import measure_robustness, robustness_metrics, robustness_summary
from grefel_train.hub.public_records import public_record
from grefel_train.reliability.seen import look
from grefel_train.run.processes import keep_freed_memory, leave
from grefel_train.run.provenance import provenance


def load_model(name: str, device: torch.device) -> tuple[GReFELForImageClassification, GReFELImageProcessor]:
    model, processor = load_checkpoint(name)
    return model.to(device, memory_format=torch.channels_last), processor  # a sixth faster on the CPU


def with_tensors(network: Network) -> Callable[..., GReFELImageClassifierOutput]:
    """A network of arrays, called as the model is."""

    def call(pixel_values: torch.Tensor) -> GReFELImageClassifierOutput:
        outputs = network(pixel_values.contiguous().numpy())
        return GReFELImageClassifierOutput(**{name: torch.from_numpy(values) for name, values in outputs.items()})

    return call


def describe_data(data: EvaluationData, accelerator: Accelerator):
    """Print what is measured on, with the mapping of classes where there is one."""
    accelerator.print(
        f"{data.dataset}, {data.split}: {len(data.images):,} images, {(data.labels >= 0).sum():,} labelled."
    )
    for name, target in (data.mapping or {}).items():
        accelerator.print(f"  {name} -> {target or 'left out'}")


def about(args: argparse.Namespace, data: EvaluationData, accelerator: Accelerator) -> dict[str, Any]:
    """What was measured, how, and with what."""
    facts = {
        "model": args.model,
        "weights_sha256": weights_file_digest(args.model),
        "dataset": data.dataset,
        "protocol": data.protocol,
        "split": data.split,
        "label_map": data.mapping,
        "runtime": args.runtime,
        "seed": args.seed,
        "resamples": args.resamples,
        "by_cluster": data.clusters is not None,
        "processes": accelerator.num_processes,
        "made_with": provenance(),
    }
    return public_record(facts)


def evaluate(args: argparse.Namespace, accelerator: Accelerator) -> tuple[dict[str, Any], Material | None]:
    """
    All figures (metrics.json), and what pictures are made of; empty in helper processes.

    Raises:
        OSError, ValueError: the model or the data cannot be read, or do not fit.
    """
    for folder in (args.output_dir, args.output and args.output.parent):
        if folder:  # now, not after the measurement
            check_folder(folder)
    model, processor = load_model(args.model, accelerator.device)
    if args.anchor_gallery and model.anchors is None:
        raise ValueError("--anchor_gallery: the model has no anchors.")
    network = model if args.runtime == "torch" else with_tensors(create_network(model, args.runtime))
    model_names = class_names(model.config)
    with accelerator.main_process_first():  # it fills the caches of `datasets` for the others
        found = load_evaluation_data(args)
    data = in_model_classes(found, model_names, args.label_map)
    data = only_shown_classes(data) if args.only_shown_classes else data
    describe_data(data, accelerator)
    faces = EvaluationFaces(data.images, processor, on_bad_image=args.on_bad_image)
    options = {"batch_size": args.batch_size, "num_workers": args.dataloader_num_workers, "classes": data.classes}
    kept = args.embedding_samples if args.output_dir else 0
    reliability = None
    if len(data.classes) == len(model_names):  # it knows nothing of a choice among some classes
        folder = checkpoint_folder(checked_name(args.model), local_files_only=True)
        reliability = load_reliability(folder, model_names)
    heads = {"answerability": reliability and reliability.answerability}
    sizes = {"mirror": args.mirror, "max_embeddings": kept}
    seen = collect(network, faces, accelerator, title=data.split, **sizes, **options, **heads)
    seen = sorted_by_content(seen, data)
    if args.compare_with_training_images:
        known = training_digests(args, processor, accelerator)
        data = with_repeats(data, seen.rows[np.isin(seen.digests, known)])
    robustness = None
    if args.robustness:
        more = options | {"reliability": reliability}
        robustness = robustness_of(network, faces, seen, data, accelerator, args, more)
    if not accelerator.is_main_process:
        return {}, None
    anchors = None if model.anchors is None else model.anchors.positions.detach().float().cpu().numpy()  # (N, K, D)
    num_anchors = None if anchors is None else anchors.shape[1]
    result = about(args, data, accelerator) | measure(seen, data, model_names, num_anchors, args.seed, args.resamples)
    if robustness is not None:
        result["robustness"] = robustness
    if reliability is not None:
        see = partial(look, create_network(model, args.runtime), processor)
        result["certainty"] = measure_certainty(reliability, seen, data, see, args)
    return as_json(result), Material(seen, data, faces, anchors, model_names)


def training_digests(args: argparse.Namespace, processor, accelerator: Accelerator) -> np.ndarray:
    """`pixel_digest` of every training image."""
    data = load_face_data(args, splits=("train",)).train
    loader = DataLoader(
        EvaluationFaces(data, processor, on_bad_image=args.on_bad_image),
        args.batch_size,
        num_workers=args.dataloader_num_workers,
    )
    bar = tqdm(loader, desc="training images", disable=not accelerator.is_main_process, leave=False)
    return np.concatenate([batch["digest"][batch["row"] >= 0].numpy() for batch in bar])


def robustness_of(network, faces, seen: Collected, data: EvaluationData, accelerator, args, options) -> dict[str, Any]:
    """Figures on disturbed images, of the labelled images with the smallest digests."""
    labelled = np.flatnonzero(data.labels[seen.rows] >= 0)
    drawn = labelled[np.argsort(seen.digests[labelled], kind="stable")][: args.robustness_samples or None]
    chosen = seen.select(np.sort(drawn))
    clean = robustness_metrics(chosen, torch.from_numpy(data.labels[chosen.rows]), options["reliability"])
    some = EvaluationFaces(data.images, faces.processor, np.sort(chosen.rows), on_bad_image=faces.on_bad_image)
    by_kind = measure_robustness(network, some, data.labels, accelerator, seed=args.seed, **options)
    summary = robustness_summary(clean, by_kind)
    return {"samples": len(chosen.rows), "clean": clean, "by_kind": by_kind, "summary": summary}


def write(args: argparse.Namespace, metrics: dict[str, Any], material: Material):
    """What --output and --output_dir ask for."""
    text = json_text(metrics)
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(text)
    if args.output_dir:
        from grefel_train.evaluation.report import write_report  # with matplotlib, which takes a while to load

        args.output_dir.mkdir(parents=True, exist_ok=True)
        (args.output_dir / "metrics.json").write_text(text)
        write_report(args.output_dir, metrics, material, args.seed, args.tsne_samples)
        if args.anchor_gallery:
            write_gallery(args.output_dir / "anchor_gallery", material)
        print(f"The report is {args.output_dir / 'report.html'}.")


def main(argv=None):
    args = parse_args(argv)
    keep_freed_memory()
    accelerator = Accelerator()
    try:
        metrics, material = evaluate(args, accelerator)
        if accelerator.is_main_process:
            print(json.dumps(metrics["summary"], indent=2))
            write(args, metrics, material)
    except (OSError, ValueError, OnnxUnavailableError, GraphMismatchError) as error:
        sys.exit(f"Cannot evaluate {args.model}: {error}")
    leave(accelerator)


if __name__ == "__main__":
    main()
