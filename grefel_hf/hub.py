"""
What comes from the Hub: within a time limit in total, and from its cache where the Hub has no answer.

huggingface_hub is imported when it is asked for something: a folder on the disk needs none of it.
"""

import contextlib
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .files import read_json

logger = logging.getLogger("grefel_hf")

CONFIG_FILE = "config.json"
PROCESSOR_FILE = "preprocessor_config.json"
WEIGHTS_FILE = "model.safetensors"
WEIGHTS_INDEX = WEIGHTS_FILE + ".index.json"  # of weights in several files
EVALUATION_FILE = "evaluation.json"
RELIABILITY_FILE = "reliability.json"
EXPLANATION_FILE = "explanation.json"
ANSWER_SECONDS = 5.0  # for what version there is
UPDATE_SECONDS = 30.0  # for a newer version than the cached one
DOWNLOAD_SECONDS = 1800.0  # for a model that is not cached

Result = TypeVar("Result")
_COMMIT = re.compile("[0-9a-f]{40}")


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


@dataclass(frozen=True)
class _Place:
    """Where a checkpoint is on the Hub, and where its copy goes; the entries are those of `checkpoint_folder`."""

    name: str
    revision: str | None
    subfolder: str
    token: str | bool | None
    cache_dir: str | Path | None

    def cached(self, revision: str | None) -> Path | None:
        """The cached version, if all that a checkpoint needs is there."""
        from huggingface_hub import try_to_load_from_cache

        found = {
            file: try_to_load_from_cache(self.name, self._path(file), cache_dir=self.cache_dir, revision=revision)
            for file in (CONFIG_FILE, PROCESSOR_FILE, WEIGHTS_FILE, WEIGHTS_INDEX)
        }
        there = {file for file, path in found.items() if isinstance(path, str)}  # or a marker that the Hub has none
        if {CONFIG_FILE, PROCESSOR_FILE} <= there and there & {WEIGHTS_FILE, WEIGHTS_INDEX}:
            return Path(found[CONFIG_FILE]).parent
        return None

    def commit(self) -> str:
        """What the revision is at, from the Hub."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(self.name, self._path(CONFIG_FILE), revision=self.revision)
        commit = get_hf_file_metadata(url, token=self.token, timeout=ANSWER_SECONDS / 2).commit_hash
        if not commit or not _COMMIT.fullmatch(commit):
            raise OSError("its answer is not the Hub's")
        return commit

    def fetch(self, commit: str) -> Path:
        """Everything at a commit."""
        from huggingface_hub.errors import EntryNotFoundError

        folder = self._fetch(CONFIG_FILE, commit).parent
        self._fetch(PROCESSOR_FILE, commit)
        for file in (EVALUATION_FILE, RELIABILITY_FILE, EXPLANATION_FILE):
            with contextlib.suppress(EntryNotFoundError):
                self._fetch(file, commit)
        try:
            self._fetch(WEIGHTS_FILE, commit)
        except EntryNotFoundError:
            for file in weight_files(read_json(self._fetch(WEIGHTS_INDEX, commit))):
                self._fetch(file, commit)
        self._note(commit, folder)
        return folder

    def _fetch(self, file: str, commit: str) -> Path:
        from huggingface_hub import hf_hub_download

        options = {"revision": commit, "cache_dir": self.cache_dir, "token": self.token}
        return Path(hf_hub_download(self.name, self._path(file), etag_timeout=ANSWER_SECONDS, **options))

    def _note(self, commit: str, folder: Path):
        """hf_hub_download notes which commit a branch is at only where it is given the branch."""
        from huggingface_hub import constants

        snapshot = next(parent for parent in folder.parents if parent.name == "snapshots")
        refs = snapshot.parent / "refs"
        ref = refs / (self.revision or constants.DEFAULT_REVISION)
        if self.revision != commit and ref.resolve().is_relative_to(refs.resolve()):
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(commit)

    def _path(self, file: str) -> str:
        return f"{self.subfolder}/{file}" if self.subfolder else file


def weight_files(index: Any) -> list[str]:
    """The files that a list of weights in several files names, beside it. Raises ValueError for other names."""
    try:
        files = set(index["weight_map"].values())
        if all(re.fullmatch(r"[\w.-]+\.safetensors", file) for file in files):  # before they are paths
            return sorted(files)
    except (TypeError, KeyError, AttributeError):
        pass
    raise ValueError(f"its {WEIGHTS_INDEX} names what is no file of weights beside it.")


def checkpoint_folder(
    name: str,
    revision: str | None = None,
    *,
    subfolder: str = "",
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """
    The folder of a checkpoint: `name` itself where that is one, else the repository's in the Hub's cache.

    A cached version serves when the Hub cannot be reached, is late or answers with something else.

    Args:
        name: a folder or a Hub id.
        revision: branch, tag or commit.
        subfolder: where in the folder or repository the checkpoint lies.
        token, cache_dir, local_files_only: as `from_pretrained` of transformers takes them.

    Raises:
        OSError: the Hub has no such repository or revision, or what is not cached cannot be fetched.
    """
    if Path(name).is_dir():
        return Path(name, subfolder)
    from huggingface_hub import constants
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    place = _Place(name, revision, subfolder.strip("/"), token, cache_dir)
    cached = place.cached(revision)
    if cached and (local_files_only or constants.HF_HUB_OFFLINE or _COMMIT.fullmatch(revision or "")):
        return cached
    if local_files_only:
        raise OSError(f"{name} is no folder and is not in the Hub's cache.")
    try:
        commit = in_time(place.commit, ANSWER_SECONDS)
        seconds = UPDATE_SECONDS if cached else DOWNLOAD_SECONDS
        return place.cached(commit) or in_time(lambda: place.fetch(commit), seconds)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise OSError(f"The Hub has no model {name}{f' at {revision}' if revision else ''} for you.") from error
    except Exception as error:  # of httpx, the Hub, the disk, or of what garbage does to them
        if cached:
            logger.warning("%s is taken from the cache: %s", name, one_sentence(error))
            return cached
        raise OSError(f"{name} is no folder and cannot be fetched from the Hub: {one_sentence(error)}") from error


def one_sentence(error: BaseException) -> str:
    """The first line of an error's text without its full stop, or the name of its type."""
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
