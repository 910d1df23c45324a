"""
Push an existing checkpoint to the Hub, and with --space the demo page that reads it.

    python train/push_to_hub.py DIR ID [--private] [--revision R] [--create_pr] [--space SPACE_ID] [--run_dir RUN]
                                       [--repository URL]

DIR is a checkpoint folder such as runs/my-run/best, ID the repository (user/name), which is made if need be. Others
load it with AutoModel.from_pretrained(ID, trust_remote_code=True), without this package.
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="checkpoint folder: config.json, model.safetensors and so on")
    add("repo_id", metavar="ID", help="repository on the Hub, user/name")
    add("--private", action="store_true", help="make what is new private (an existing public repository is refused)")
    add("--revision", help="branch to push to (default: main)")
    add("--create_pr", action="store_true", help="open a pull request instead of pushing to the main branch")
    add("--space", metavar="SPACE_ID", help="push the page, too, as a Space that reads the model from its main branch")
    add("--repository", metavar="URL", help="address of the code, for the card to link")
    add("--run_dir", type=Path, help="the run's folder (default: DIR or the one above it, if it has all_results.json)")
    add("--hub_token", help="token of the Hub (default: HF_TOKEN or the one of `hf auth login`)")
    args = parser.parse_args(argv)
    if args.space and (args.create_pr or args.revision not in (None, "main")):
        parser.error(
            "--space reads the model's main branch: push the model there first, without --revision/--create_pr"
        )
    if args.run_dir is None:
        runs = [folder for folder in (args.folder, args.folder.parent) if (folder / "all_results.json").is_file()]
        args.run_dir = next(iter(runs), None)
    elif not args.run_dir.is_dir():
        parser.error(f"--run_dir {args.run_dir} does not exist")
    return args


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

from grefel_train.hub.push import PushError, push_command, push_model, push_space


def main(argv: list[str] | None = None):
    args = parse_args(argv)
    shared = {"token": args.hub_token, "private": args.private}
    options = {"revision": args.revision, "create_pr": args.create_pr, "run_dir": args.run_dir}
    options |= {"repository": args.repository, "space": args.space}
    try:
        print(push_model(args.folder, args.repo_id, **options, **shared))
    except PushError as error:
        sys.exit(f"{error}")
    if args.space:
        try:
            print(push_space(args.space, args.repo_id, **shared))
        except PushError as error:
            again = push_command(args.folder, args.repo_id, private=args.private, **options)
            sys.exit(f"{error}\nThe model itself is on the Hub. To go on:\n    {again}")


if __name__ == "__main__":
    main()
