"""Photos by link, for the library and the command line: the page fetches with rules of its own."""

import http.client
import re
import threading
import urllib.error
import urllib.request
from typing import Any

MAX_BYTES = 64_000_000
SECONDS = 30.0  # for everything: a server may drip
_LINK = re.compile(r"https?://", re.IGNORECASE)


class LinkError(ValueError):
    """A link that cannot be fetched; the message names it and says why."""


def is_link(source: Any) -> bool:
    return isinstance(source, str) and _LINK.match(source) is not None


def fetch(link: str, most: int = MAX_BYTES, seconds: float = SECONDS) -> bytes:
    """
    The content of an http or https link, fetched whole.

    Raises:
        LinkError: there is no answer within `seconds`, another than a file, or one of more than `most` bytes.
    """
    outcome: list[bytes | str] = []
    late = threading.Event()

    def work():
        try:
            outcome.append(_download(link, most, seconds, late))
        except urllib.error.HTTPError as error:
            outcome.append(f"{link} cannot be fetched ({error}): check the address")
        except (OSError, ValueError, http.client.HTTPException) as error:
            outcome.append(f"{link} cannot be fetched ({getattr(error, 'reason', None) or error}): check the address")

    # The time limits of sockets hold for one silence each, and none covers the name server: a thread bounds the whole.
    thread = threading.Thread(target=work, daemon=True, name="fetch-photo")
    thread.start()
    thread.join(seconds)
    late.set()
    result = outcome[0] if outcome else f"{link} did not come within {seconds:g} s: download it, and pass the file"
    if isinstance(result, str):
        raise LinkError(result)
    return result


def _download(link: str, most: int, seconds: float, late: threading.Event) -> bytes | str:
    # Redirects may lead to http and https only: an opener of its own has no handlers for files and FTP.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    request = urllib.request.Request(link, headers={"User-Agent": "grefel_hf"})
    content = bytearray()
    with opener.open(request, timeout=seconds) as answer:
        while piece := answer.read1(1 << 16):
            content += piece
            if len(content) > most:
                return f"{link} has more than {most / 1e6:g} MB, the limit: scale it down"
            if late.is_set():
                break
    return bytes(content)
