"""
Write the model card of a checkpoint from what was measured on it.

    python train/write_card.py --model DIR [--metrics DIR/evaluation.json] [--training DIR/all_results.json]

Figures come from train/evaluate.py (its metrics.json, as evaluation.json) or else from the training run
(all_results.json); where nothing was measured the card says so. Figures that belong to other weights are refused.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from grefel_train.flags import FlagParser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__)
    parser.add_argument(
        "--model", type=Path, required=True, help="checkpoint folder; README.md and its pictures are written into it"
    )
    parser.add_argument("--metrics", type=Path, help="default: evaluation.json in the folder, if there")
    parser.add_argument(
        "--training", type=Path, help="all_results.json of the run (default: in the folder or, for best/, beside it)"
    )
    parser.add_argument("--repository", metavar="URL", help="address of the code, for the card to link")
    parser.add_argument("--space", metavar="ID", help="user/name of a Space that runs the model, for the same")
    parser.add_argument("--license", help="licence of the weights by its name on the Hub, such as mit")
    return parser.parse_args(argv)


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

from grefel_hf.files import write_text
from grefel_train.hub.card import model_card, read_results
from grefel_train.hub.pictures import write_pictures
from grefel_train.run.provenance import read_json


def training_results(model: Path) -> Path:
    """all_results.json in the folder, or beside it, where train.py leaves that of OUT/best."""
    beside = model.resolve().parent / "all_results.json"
    return beside if model.resolve().name == "best" and beside.exists() else model / "all_results.json"


def main(args: argparse.Namespace):
    try:
        metrics = read_json(args.metrics or args.model / "evaluation.json", must_exist=args.metrics is not None)
        results = read_results(args.training or training_results(args.model), must_exist=args.training is not None)
        links = {"repository": args.repository, "space": args.space}
        card = model_card(args.model, metrics, results, license=args.license, **links)
        write_text(args.model / "README.md", card)
        write_pictures(args.model)
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot write the card: {error}")


if __name__ == "__main__":
    main(parse_args())
