"""
Pushing to the Hub: a trained checkpoint as a model repository, and the demo as a Space that reads it.

What is pushed is put together in a temporary folder and goes up in one commit; local files are only read.
"""

import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from huggingface_hub import HfApi, RepoUrl, metadata_load
from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError, RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id

from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.explanation import load_explanation
from grefel_hf.faces.weights import YUNET_FILE, YUNET_REPOSITORY
from grefel_hf.hub import EXPLANATION_FILE, RELIABILITY_FILE
from grefel_hf.reliability import load_reliability
from grefel_train.data.class_names import class_names
from grefel_train.hub import REPOSITORY
from grefel_train.hub.card import model_card, read_results
from grefel_train.hub.pictures import write_pictures
from grefel_train.hub.prose import rendered
from grefel_train.hub.public_records import public_log, public_record, recipe_text
from grefel_train.run.provenance import read_json

WEIGHTS = "model.safetensors"
CHECKPOINT = ("config.json", WEIGHTS, "preprocessor_config.json")
REPORTS = ("landmarks.json", "backbone.json")  # of the stages before the run
# What describes one set of weights: where a push has no such file, that of an earlier push goes.
DESCRIPTIONS = ["evaluation.json", RELIABILITY_FILE, EXPLANATION_FILE, *REPORTS]
DESCRIPTIONS += ["all_results.json", "recipe.yaml", "training_log.jsonl"]
# The page and the library; the bundled checkpoint stays behind, as a Space reads its model from the Hub.
SPACE_FILES = ("app.py", "requirements.txt", "LICENSE", "space/**/*", "grefel_hf/**/*.py")
SPACE_README = Path(__file__).with_name("space.md")


class PushError(RuntimeError):
    """A push that did not happen or did not end; the message says why and what to do about it."""


def push_model(
    folder: Path,
    repo_id: str,
    *,
    token: str | None = None,
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    run_dir: Path | None = None,
    repository: str | None = None,
    space: str | None = None,
) -> str:
    """
    Upload a checkpoint so that `AutoModel.from_pretrained(repo_id, trust_remote_code=True)` loads it anywhere.

    The weights go up as they are, with config, processor, the code that defines them, evaluation.json, reliability.json
    and landmarks.json where they are there, and a model card: README.md of the folder if there is one, else one written
    from measured figures.

    Args:
        folder: a checkpoint (config.json, model.safetensors, preprocessor_config.json).
        repo_id: user/name, or a name in the user's own namespace; made where it does not exist.
        token: default: HF_TOKEN, or the one of `hf auth login`.
        private: make the new repository private; an existing one that is public is refused.
        revision: branch to commit to, made where it does not exist.
        create_pr: open a pull request to the main branch instead, for which no right to write is needed.
        run_dir: folder of the run of train.py, whose log, results and recipe go up too, without this machine's paths
            and without tokens (default: `folder`, which may have all_results.json).
        repository, space: address of the code, and id of a Space with the page, for the card to link.

    Returns:
        Address of the repository, of its branch or of the pull request.

    Raises:
        PushError: the checkpoint cannot be used, or the Hub refused or failed.
    """
    if create_pr and revision not in (None, "main"):
        raise PushError("A pull request goes to the main branch: leave out the revision or the pull request.")
    check_repo_id(repo_id)
    model, processor = load_checkpoint(folder)
    options = {"private": private, "revision": revision, "create_pr": create_pr, "run_dir": run_dir}
    again = push_command(folder, repo_id, repository=repository, space=space, **options)
    api = HfApi(token=token)
    with hub_errors(repo_id, again), tempfile.TemporaryDirectory() as staged:
        full_id = with_namespace(repo_id, api)
        links = {"repository": repository, "space": space and with_namespace(space, api)}
        stage_model(Path(staged), model, processor, folder, full_id, run_dir or folder, links)
        url = make_repository(full_id, token=token, private=private)
        if revision and not create_pr:
            api.create_branch(full_id, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=full_id,
            folder_path=staged,
            delete_patterns=DESCRIPTIONS,
            commit_message="Upload GReFEL checkpoint",
            revision=revision,
            create_pr=create_pr,
        )
    if create_pr:
        return commit.pr_url or str(url)  # nothing changed: no pull request
    return f"{url}/tree/{revision}" if revision else str(url)


def push_space(repo_id: str, model_id: str, *, token: str | None = None, private: bool = False) -> str:
    """
    Upload the page (app.py) as a Gradio Space that reads the model `model_id` from the Hub.

    The Space's variable GREFEL_MODEL names the model; its front matter has the Hub's builder put the model and the
    face detector's weights into the image. A private model needs one step by hand, which the Space's README names.

    Args:
        repo_id: user/name of the Space, or a name in the user's own namespace; made where it does not exist.
        model_id: the model's repository; its main branch is used.
        token: default: HF_TOKEN, or the one of `hf auth login`.
        private: make the new Space private; an existing one that is public is refused.

    Returns:
        Address of the Space.

    Raises:
        PushError: the model does not exist, or the Hub refused or failed.
    """
    check_repo_id(repo_id)
    check_repo_id(model_id)
    api = HfApi(token=token)
    with hub_errors(repo_id), tempfile.TemporaryDirectory() as staged:
        repo_id, model_id = with_namespace(repo_id, api), with_namespace(model_id, api)
        try:
            model = api.model_info(model_id)
        except RepositoryNotFoundError as error:
            raise PushError(f"Cannot push to {repo_id}: there is no model {model_id}; push it first.") from error
        stage_space(Path(staged), model.id, private_model=bool(model.private))
        url = make_repository(repo_id, token=token, private=private, space=True)
        # Before the files, so that the first start finds it.
        api.add_space_variable(repo_id, "GREFEL_MODEL", model.id, description="the model of the page")
        api.upload_folder(
            repo_id=repo_id, folder_path=staged, commit_message=f"Upload the page of {model.id}", repo_type="space"
        )
    return str(url)


def make_repository(repo_id: str, *, token: str | None = None, private: bool = False, space: bool = False) -> RepoUrl:
    """
    Make the repository unless it exists; worth calling before a long training run, as it tries the token.

    Raises:
        PushError: the token may not write there, or the repository is public where `private` is asked for.
    """
    check_repo_id(repo_id)
    api = HfApi(token=token)
    kind = "space" if space else "model"
    with hub_errors(repo_id):
        url = api.create_repo(
            repo_id, repo_type=kind, private=private or None, exist_ok=True, space_sdk="gradio" if space else None
        )
        if private and not api.repo_info(url.repo_id, repo_type=kind).private:
            raise PushError(
                f"Cannot push to {url.repo_id}: it exists and is public. Make it private in its settings on the Hub, "
                "choose another name, or push without --private."
            )
    return url


def push_command(
    folder: Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    run_dir: Path | None = None,
    repository: str | None = None,
    space: str | None = None,
) -> str:
    """The command line, from the working folder, that pushes with these settings (and the token that is set up)."""
    script = os.path.relpath(Path(__file__).parents[2] / "push_to_hub.py")
    words = ["python", script, str(folder), repo_id]
    words += ["--private"] * private + ["--create_pr"] * create_pr
    for flag, value in (
        ("--revision", revision),
        ("--run_dir", run_dir),
        ("--repository", repository),
        ("--space", space),
    ):
        words += [flag, str(value)] if value else []
    return shlex.join(words)


def check_repo_id(repo_id: str):
    """Raises PushError for what is no name of a repository."""
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise PushError(f"{repo_id!r} is no name of a repository (user/name): {one_line(error)}") from error


def with_namespace(repo_id: str, api: HfApi) -> str:
    """A name without a slash is one of the user whose token it is."""
    return repo_id if "/" in repo_id else f"{api.whoami()['name']}/{repo_id}"


def load_checkpoint(folder: Path) -> tuple[GReFELForImageClassification, GReFELImageProcessor]:
    """
    The model (float32) and processor of a folder.

    Raises:
        PushError: there is no such folder, it holds no GReFEL checkpoint, or the files cannot be read.
    """
    if not folder.is_dir():
        raise PushError(f"The folder {folder} does not exist.")
    missing = [name for name in CHECKPOINT if not (folder / name).is_file()]
    if missing:
        hint = f" Did you mean {folder / 'best'}?" if (folder / "best" / WEIGHTS).exists() else ""
        raise PushError(f"{folder} is no GReFEL checkpoint: it has no {', no '.join(missing)}.{hint}")
    try:
        kind = read_json(folder / "config.json").get("model_type")
        if kind != "grefel":
            raise PushError(f"{folder} is no GReFEL checkpoint: its config.json says model_type {kind}.")
        model, report = GReFELForImageClassification.from_pretrained(folder, output_loading_info=True)
        processor = GReFELImageProcessor.from_pretrained(folder)
    except PushError:
        raise
    except Exception as error:  # transformers, safetensors and torch raise many types for files that do not fit
        raise PushError(f"The checkpoint in {folder} cannot be loaded: {one_line(error)}") from error
    if report["missing_keys"]:
        raise PushError(f"{folder / WEIGHTS} lacks weights of the model: {', '.join(sorted(report['missing_keys']))}.")
    return model, processor


def stage_model(
    staged: Path,
    model: GReFELForImageClassification,
    processor: GReFELImageProcessor,
    folder: Path,
    repo_id: str,
    run_dir: Path,
    links: dict[str, str | None],
):
    """
    Fill `staged` with all files of the repository; its card has the `links`.

    Raises:
        PushError: records do not fit the weights.
    """
    model.save_pretrained(staged)  # with copies of the code
    processor.save_pretrained(staged)
    shutil.copyfile(folder / WEIGHTS, staged / WEIGHTS)  # byte for byte what was measured, often in half precision
    try:
        results = read_results(run_dir / "all_results.json")
        reports = {name: read_json(folder / name) for name in ("evaluation.json", *REPORTS)}
        for name, report in reports.items():
            if report is not None:
                write_json(staged / name, public_record(report))
        labels = class_names(model.config)
        for load, name in ((load_reliability, RELIABILITY_FILE), (load_explanation, EXPLANATION_FILE)):
            if load(folder, labels) is not None:  # and not one of other weights
                shutil.copyfile(folder / name, staged / name)
        if results is not None:
            write_json(staged / "all_results.json", public_record(results))
            (staged / "recipe.yaml").write_text(recipe_text(results))
        if (run_dir / "training_log.jsonl").exists():
            (staged / "training_log.jsonl").write_text(public_log(run_dir / "training_log.jsonl"))
        write_pictures(staged)
        card = model_card(staged, reports["evaluation.json"], results, hub_id=repo_id, **links)
    except ValueError as error:
        raise PushError(f"Cannot push {folder}: {one_line(error)}") from error
    written = folder / "README.md"
    (staged / "README.md").write_text(written.read_text() if written.exists() else card)


def stage_space(staged: Path, model_id: str, private_model: bool):
    """Fill `staged` with all files of the Space."""
    for pattern in SPACE_FILES:
        for file in REPOSITORY.glob(pattern):
            if file.is_file() and "__pycache__" not in file.parts:
                copy = staged / file.relative_to(REPOSITORY)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
    metadata = metadata_load(REPOSITORY / "README.md")
    # The Hub's builder may not read a private model.
    preloaded = [] if private_model else [model_id]
    metadata |= {"models": [model_id], "preload_from_hub": [*preloaded, f"{YUNET_REPOSITORY} {YUNET_FILE}"]}
    readme = rendered(
        SPACE_README,
        metadata=yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True).strip(),
        title=metadata["title"],
        model_id=model_id,
        private_model=private_model,
    )
    (staged / "README.md").write_text(readme)


def write_json(file: Path, value: dict):
    file.write_text(json.dumps(value, indent=2) + "\n")


@contextmanager
def hub_errors(repo_id: str, again: str | None = None) -> Iterator[None]:
    """Make a PushError of whatever goes wrong in the block; `again` is the command to name for going on later."""
    try:
        yield
    except Exception as error:  # httpx, OS, LFS and Hub errors alike: the user gets a sentence, not a traceback
        known = isinstance(error, PushError)
        message = str(error) if known else f"Cannot push to {repo_id}: {hub_reason(error, repo_id)}"
        if again:
            message += f"\nThe local files are as they were. To go on:\n    {again}"
        raise PushError(message) from error


def hub_reason(error: BaseException, repo_id: str) -> str:
    """What a failed call of the Hub means for the user, in one line."""
    if isinstance(error, RuntimeError) and error.__cause__ is not None:  # "Error while uploading ...", of a thread
        return f"{one_line(error)} {hub_reason(error.__cause__, repo_id)}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401 or isinstance(error, LocalTokenNotFoundError):
        return "the Hub accepted no token: run `hf auth login`, set HF_TOKEN or pass --hub_token."
    if status == 403:
        return f"this token may not write there ({one_line(error)}): take one with the right to write, or --create_pr."
    return one_line(error)


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
