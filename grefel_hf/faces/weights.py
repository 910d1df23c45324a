"""Where YuNet's weights are: a file that the environment names, the Hub's cache, or the Hub."""

import os
import threading
from functools import cache
from pathlib import Path

from .face import DetectorUnavailableError
from .yunet_networks import import_cv2

YUNET_VARIABLE = "GREFEL_YUNET"
YUNET_REPOSITORY = "opencv/face_detection_yunet"
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
FETCH_SECONDS = 6.0  # how long "auto" waits for the weights


def yunet_weights() -> str:
    """The weights' path, fetched if need be. Raises DetectorUnavailableError where they cannot be had."""
    path = configured_weights() or cached_weights()
    if path:
        return path
    import_cv2()  # no download for a detector that cannot run
    try:
        return fetch_weights()
    except Exception as error:  # httpx, OS and Hub errors alike: the weights cannot be had
        raise DetectorUnavailableError(_how_to_get_weights(error)) from error


def configured_weights() -> str | None:
    """What GREFEL_YUNET names, if anything. Raises DetectorUnavailableError where that is no file."""
    path = os.environ.get(YUNET_VARIABLE)
    if not path:
        return None
    if not Path(path).is_file():
        raise DetectorUnavailableError(f"{YUNET_VARIABLE} names {path}, which does not exist: correct or unset it")
    return path


def cached_weights() -> str | None:
    """The file in the Hub's cache, if there."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(YUNET_REPOSITORY, YUNET_FILE)
    return path if isinstance(path, str) else None  # or a marker that the Hub has no such file


def fetch_weights() -> str:
    """The file, from the Hub into its cache. Raises errors of the Hub, of httpx or OSError."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    # Asked first because, offline, hf_hub_download tries again for 25 s and logs each attempt; this fails at once.
    get_hf_file_metadata(hf_hub_url(YUNET_REPOSITORY, YUNET_FILE), timeout=FETCH_SECONDS / 2)
    return hf_hub_download(YUNET_REPOSITORY, YUNET_FILE, etag_timeout=FETCH_SECONDS / 2)


@cache  # a process that is offline waits once
def fetch_outcome() -> tuple[str | None, str]:
    """Path of the weights, or None and why there are none."""
    outcome: list[tuple[str | None, str]] = []

    def fetch() -> None:
        try:
            outcome.append((fetch_weights(), ""))
        except Exception as error:  # a thread must not die loudly: HOG takes over
            outcome.append((None, _how_to_get_weights(error)))

    # The Hub's own time limits hold per connection, and none covers the name server: a thread bounds the whole.
    thread = threading.Thread(target=fetch, daemon=True, name="fetch-yunet")
    thread.start()
    thread.join(FETCH_SECONDS)
    late = (None, _how_to_get_weights(f"nothing came within {FETCH_SECONDS:g} s"))
    return outcome[0] if outcome else late


def fetch_in_time() -> str:
    """As `fetch_weights`, within `FETCH_SECONDS`. Raises DetectorUnavailableError where nothing came."""
    import_cv2()  # no download for a detector that cannot run
    path, reason = fetch_outcome()
    if path is None:
        raise DetectorUnavailableError(reason)
    return path


def _how_to_get_weights(reason: object) -> str:
    first_line = str(reason).strip().partition("\n")[0].rstrip(".") or type(reason).__name__
    return (
        f"the YuNet weights ({YUNET_FILE}) are not at hand and could not be fetched ({first_line}): set "
        f"{YUNET_VARIABLE} to a local copy, or connect to the Hub once"
    )
