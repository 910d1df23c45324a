"""
Find the labels of a dataset that are likely wrong, look at them, and write a new set of labels.

    python train/audit.py --dataset_dir MY_FACES --output_dir OUT
    python train/audit.py --dataset_dir MY_FACES --output_dir NEW --apply decisions.csv

The first writes OUT/suspects.csv, OUT/pairs.csv (copies, also across splits) and OUT/audit.html, which stands alone:
look at the images, decide, and save decisions.csv. The second writes NEW/labels, which `--dataset_name NEW/labels`
reads; what there was stays as it is. MY_FACES is a folder of class folders (of splits, too), a table with columns
`image` and `label`, or a published set; other places are named as for train.py. docs/auditing.md explains.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from grefel_hf.checkpoint import BUNDLED_CHECKPOINT, checked_name
from grefel_hf.faces.detection import DETECTORS, create_detector
from grefel_train.data.arguments import add_label_arguments, add_source_arguments
from grefel_train.flags import FlagParser, Scope, at_least


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--model", default=str(BUNDLED_CHECKPOINT), help="Folder or Hub id; the bundled one by default.")
    add("--output_dir", type=Path, required=True)
    add("--apply", type=Path, metavar="DECISIONS_CSV", help="Write labels that follow these decisions.")
    group = parser.add_argument_group("data")
    add_source_arguments(group.add_argument)
    group.add_argument("--train_dir", scope=Scope.MACHINE, help="Folder of class folders, or of splits with those.")
    group.add_argument("--split", nargs="+", help="Which splits; all by default.")
    add_label_arguments(group.add_argument)
    add("--min_probability", type=float, default=0.5, help="Labels that are wrong with this probability are suspects.")
    add("--max_shown", type=at_least(1, int), default=500, help="So many suspects are on the page.")
    add("--detector", choices=DETECTORS, default="auto", help="Who looks for images without a face; none for nobody.")
    add("--batch_size", type=at_least(1, int), default=64)
    add("--num_workers", type=at_least(0, int), default=0, help="Processes that read images.")
    add("--seed", type=at_least(0, int), default=0, help="Of the folds.")
    parser.set_defaults(validation_dir=None, streaming=False)  # which training has besides
    args = parser.parse_args(argv)
    if not 0 < args.min_probability < 1:
        parser.error("--min_probability lies between 0 and 1.")
    return args


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

from accelerate import Accelerator

from grefel_hf import DetectorUnavailableError
from grefel_hf.hub import checkpoint_folder
from grefel_hf.loading import load_checkpoint
from grefel_hf.plurals import counted
from grefel_hf.reliability import load_reliability
from grefel_train.audit.decisions import read_decisions, write_labels
from grefel_train.audit.duplicates import Pair, find_pairs, groups_of
from grefel_train.audit.faceless import find_faceless
from grefel_train.audit.images import AuditImages, load_audit_images
from grefel_train.audit.noise import right_distributions
from grefel_train.audit.observations import observe
from grefel_train.audit.page import write_page
from grefel_train.audit.suspects import Suspect, find_suspects, write_pairs, write_suspects
from grefel_train.data.class_names import class_names


def audit(args: argparse.Namespace, images: AuditImages) -> tuple[list[Suspect], list[Pair]]:
    """What a person should look at, and the pairs of images that show one picture."""
    accelerator = Accelerator()
    model, processor = load_checkpoint(args.model)
    detector = create_detector(args.detector)
    folder = checkpoint_folder(checked_name(args.model), local_files_only=True)
    reliability = load_reliability(folder, class_names(model.config))
    answerability = reliability and reliability.answerability
    data = (processor, images.images, images.label_names)
    seen = observe(model.to(accelerator.device), *data, args, accelerator, answerability)
    found = find_pairs(seen.digests, seen.pictures)
    labels, groups = images.labels[seen.positions], groups_of(found, images.groups[seen.positions])
    right = right_distributions(seen, labels, groups, len(images.label_names), args.seed)
    pairs = [Pair(int(seen.positions[i]), int(seen.positions[j]), kind) for i, j, kind in found]
    doubtful = seen.positions if seen.is_answerable is None else seen.positions[~seen.is_answerable]
    faceless = find_faceless(images.images, doubtful.tolist(), detector)
    return find_suspects(images, seen, right, pairs, faceless, args.min_probability), pairs


def main(args: argparse.Namespace):
    try:
        images = load_audit_images(args)
        if args.apply:
            decisions = read_decisions(args.apply, images)
            write_labels(args.output_dir / "labels", images, decisions)
            removed = sum(decision.label is None for decision in decisions)
            print(
                f"{args.output_dir / 'labels'}: {len(images.labels) - removed} images, "
                f"{len(decisions) - removed} labels changed, {removed} left out."
            )
            return
        suspects, pairs = audit(args, images)
        args.output_dir.mkdir(parents=True, exist_ok=True)
        write_suspects(args.output_dir / "suspects.csv", images, suspects)
        write_pairs(args.output_dir / "pairs.csv", images, pairs)
        write_page(args.output_dir / "audit.html", images, suspects, pairs, args.max_shown)
    except (OSError, ValueError, DetectorUnavailableError) as error:
        sys.exit(f"Cannot audit: {error}")
    print(
        f"{counted(len(images.labels), 'image')}: {len(suspects):,} to look at, {counted(len(pairs), 'pair')} of one "
        f"picture; open {args.output_dir / 'audit.html'}."
    )


if __name__ == "__main__":
    main(parse_args())
