"""What comes from the Hub: within a time limit in total, and from its cache where the Hub has no answer."""

import json
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

logger = logging.getLogger("grefel_hf")

CONFIG_FILE = "config.json"
PROCESSOR_FILE = "preprocessor_config.json"
WEIGHTS_FILE = "model.safetensors"
WEIGHTS_INDEX = WEIGHTS_FILE + ".index.json"  # of weights in several files
EVALUATION_FILE = "evaluation.json"
ANSWER_SECONDS = 5.0  # for what version there is
UPDATE_SECONDS = 30.0  # for a newer version than the cached one
DOWNLOAD_SECONDS = 1800.0  # for a model that is not cached

Result = TypeVar("Result")


class HubTimeoutError(OSError):
    """The Hub did not answer, or not to the end, within the time that it was given."""


def in_time(function: Callable[[], Result], seconds: float) -> Result:
    """
    What `function` gives, or its error, if it comes within `seconds`; else HubTimeoutError.

    The Hub's own time limits hold for one silence on one connection, and none covers the name server or a server that
    drips: a thread bounds the whole. It is left to itself when it is late.
    """
    outcome: list[tuple[Result | None, BaseException | None]] = []

    def run() -> None:
        try:
            outcome.append((function(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True, name="hub")
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise HubTimeoutError(f"nothing came from the Hub within {seconds:g} s")
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def checkpoint_folder(name: str, revision: str | None = None) -> Path:
    """
    The folder of a checkpoint: `name` itself where that is one, else the repository's in the Hub's cache.

    A cached version serves when the Hub cannot be reached, is late or answers with something else.

    Args:
        name: a folder or a Hub id.
        revision: branch, tag or commit.

    Raises:
        OSError: the Hub has no such repository or revision, or what is not cached cannot be fetched.
    """
    if Path(name).is_dir():
        return Path(name)
    cached = _cached_folder(name, revision)
    fixed = revision is not None and re.fullmatch("[0-9a-f]{40}", revision)
    if cached and (fixed or constants.HF_HUB_OFFLINE):
        return cached
    try:
        return _current_folder(name, revision, UPDATE_SECONDS if cached else DOWNLOAD_SECONDS)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise OSError(f"The Hub has no model {name}{f' at {revision}' if revision else ''} for you.") from error
    except Exception as error:  # of httpx, the Hub, the disk, or of what garbage does to them
        if cached:
            logger.warning("%s is taken from the cache: %s", name, one_sentence(error))
            return cached
        raise OSError(f"{name} is no folder and cannot be fetched from the Hub: {one_sentence(error)}") from error


def _current_folder(name: str, revision: str | None, seconds: float) -> Path:
    """Of the version that the Hub has, fetched where the cache lacks it."""
    url = hf_hub_url(name, CONFIG_FILE, revision=revision)
    commit = in_time(lambda: get_hf_file_metadata(url, timeout=ANSWER_SECONDS / 2), ANSWER_SECONDS).commit_hash
    if not commit or not re.fullmatch("[0-9a-f]{40}", commit):
        raise OSError("its answer is not the Hub's")
    return _cached_folder(name, commit) or in_time(lambda: _fetch(name, commit, revision), seconds)


def _fetch(name: str, commit: str, revision: str | None) -> Path:
    def fetch(file: str) -> Path:
        return Path(hf_hub_download(name, file, revision=commit, etag_timeout=ANSWER_SECONDS))

    for file in (CONFIG_FILE, PROCESSOR_FILE):
        folder = fetch(file).parent
    try:
        fetch(EVALUATION_FILE)
    except EntryNotFoundError:
        pass
    try:
        fetch(WEIGHTS_FILE)
    except EntryNotFoundError:
        index = json.loads(fetch(WEIGHTS_INDEX).read_text(encoding="utf-8"))
        for file in sorted(set(index["weight_map"].values())):
            if not re.fullmatch(r"[\w.-]+\.safetensors", file):  # before it is a path
                raise OSError(f"{WEIGHTS_INDEX} names a file {file!r}") from None
            fetch(file)
    # hf_hub_download notes which commit a branch is at only where it is given the branch.
    refs = Path(constants.HF_HUB_CACHE) / folder.parents[1].name / "refs"
    ref = refs / (revision or constants.DEFAULT_REVISION)
    if ref.resolve().is_relative_to(refs.resolve()) and revision != commit:
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit)
    return folder


def _cached_folder(name: str, revision: str | None) -> Path | None:
    """The cached version of a repository, if all that a checkpoint needs is there."""
    files = [try_to_load_from_cache(name, file, revision=revision) for file in (CONFIG_FILE, PROCESSOR_FILE)]
    weights = [try_to_load_from_cache(name, file, revision=revision) for file in (WEIGHTS_FILE, WEIGHTS_INDEX)]
    if all(isinstance(file, str) for file in files) and any(isinstance(file, str) for file in weights):
        return Path(files[0]).parent
    return None


def one_sentence(error: BaseException) -> str:
    """The first line of an error's text without its full stop, or the name of its type."""
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
