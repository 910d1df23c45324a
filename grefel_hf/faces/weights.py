"""Where YuNet's weights are: a file that the environment names, the Hub's cache, or the Hub."""

import os
from functools import cache
from pathlib import Path

from ..files import file_digest
from ..hub import in_time, one_sentence
from .face import DetectorUnavailableError
from .yunet_networks import import_cv2

YUNET_VARIABLE = "GREFEL_YUNET"
YUNET_REPOSITORY = "opencv/face_detection_yunet"
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_REVISION = "3cc26e7f1014a5ee5d74a42acee58bafc9d0a310"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
FETCH_SECONDS = 6.0  # for the weights to come, in total


def yunet_weights() -> str:
    """The weights' path, fetched if need be. Raises DetectorUnavailableError where they cannot be had."""
    return configured_weights() or cached_weights() or fetch_in_time()


def configured_weights() -> str | None:
    """What GREFEL_YUNET names, if anything. Raises DetectorUnavailableError where that is no file."""
    path = os.environ.get(YUNET_VARIABLE)
    if not path:
        return None
    if not Path(path).is_file():
        raise DetectorUnavailableError(f"{YUNET_VARIABLE} names {path}, which does not exist: correct or unset it")
    return path


def cached_weights() -> str | None:
    """The file in the Hub's cache, if it is there and is what it should be."""
    from huggingface_hub import try_to_load_from_cache

    for revision in (YUNET_REVISION, None):  # also as another program has it: the digest counts
        path = try_to_load_from_cache(YUNET_REPOSITORY, YUNET_FILE, revision=revision)
        if isinstance(path, str) and _is_whole(path):  # or a marker that the Hub has no such file
            return path
    return None


def fetch_weights() -> str:
    """The file, from the Hub into its cache. Raises errors of the Hub, of httpx or OSError."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    # Asked first because, offline, hf_hub_download tries again for 25 s and logs each attempt; this fails at once.
    url = hf_hub_url(YUNET_REPOSITORY, YUNET_FILE, revision=YUNET_REVISION)
    get_hf_file_metadata(url, timeout=FETCH_SECONDS / 2)
    # What is cached was asked for before: it is not there or damaged.
    options = {"etag_timeout": FETCH_SECONDS / 2, "force_download": True}
    path = hf_hub_download(YUNET_REPOSITORY, YUNET_FILE, revision=YUNET_REVISION, **options)
    if not _is_whole(path):
        Path(path).resolve().unlink(missing_ok=True)  # of the cache, so that the next run does not find it
        Path(path).unlink(missing_ok=True)
        raise OSError("what came is not that file")
    return path


def _is_whole(path: str) -> bool:
    try:
        return file_digest(path) == YUNET_SHA256
    except OSError:
        return False


@cache  # a process that is offline waits once
def fetch_outcome() -> tuple[str | None, str]:
    """Path of the weights, or None and why there are none."""
    try:
        return in_time(fetch_weights, FETCH_SECONDS), ""
    except Exception as error:  # of httpx, the OS and the Hub alike: the weights cannot be had
        return None, _how_to_get_weights(error)


def fetch_in_time() -> str:
    """As `fetch_weights`, within `FETCH_SECONDS`. Raises DetectorUnavailableError where nothing came."""
    import_cv2()  # no download for a detector that cannot run
    path, reason = fetch_outcome()
    if path is None:
        raise DetectorUnavailableError(reason)
    return path


def _how_to_get_weights(reason: Exception) -> str:
    return (
        f"the YuNet weights ({YUNET_FILE}) are not at hand and could not be fetched ({one_sentence(reason)}): set "
        f"{YUNET_VARIABLE} to a local copy, or connect to the Hub once"
    )
