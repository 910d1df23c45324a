"""
File inputs for which a program may name a link instead of a file.

Gradio fetches such a link from public addresses only, but however much comes. Here no more comes than may be uploaded.
"""

import asyncio
import ipaddress
import secrets
import time
from contextvars import ContextVar
from pathlib import Path, PurePosixPath

import httpx
import safehttpx
from gradio.components import Component
from gradio_client.utils import is_http_url_like, strip_invalid_filename_characters

from .limits import LINK_SECONDS, LINKS_AT_ONCE, LINKS_SECONDS, MAX_UPLOAD_MB
from .uploads import refuse, require_room

MAX_REDIRECTS = 3
_TUNNELS = [ipaddress.ip_network(net) for net in ("2002::/16", "64:ff9b::/96", "64:ff9b:1::/48", "::/96")]
_under_way = 0
_until: ContextVar[float | None] = ContextVar("until", default=None)  # when all links of this request have to be there


async def fetch(link: str, folder: str, most_mb: int = MAX_UPLOAD_MB, seconds: float = LINK_SECONDS) -> str:
    """
    As `_fetch`, within `seconds` in all, as a server may drip, and few at a time.

    Raises:
        gr.Error: as there, the time is up, or too many links are being fetched.
    """
    global _under_way
    if _under_way >= LINKS_AT_ONCE:
        raise refuse("Too many links are being fetched at once: try again in some seconds.", "Link refused")
    _under_way += 1
    try:
        await asyncio.to_thread(require_room, most_mb)
        return await asyncio.wait_for(_fetch(link, folder, most_mb), seconds)
    except (asyncio.TimeoutError, TimeoutError):
        raise refuse(f"The link did not come within {seconds:.3g} seconds, the limit.", "Link refused") from None
    finally:
        _under_way -= 1


async def _fetch(link: str, folder: str, most_mb: int) -> str:
    """
    Fetch a link into a new folder below `folder`.

    Returns:
        The file's path.

    Raises:
        gr.Error: the address is not a public one, does not answer with a file, or with a larger one.
    """
    for _ in range(MAX_REDIRECTS + 1):
        host = httpx.URL(link).host
        try:
            address = await safehttpx.async_validate_url(host)
        except ValueError:
            address = None
        if address is None or not is_public(address):
            raise refuse("Only links to public addresses are fetched.", "Link refused")
        transport = safehttpx.AsyncSecureTransport(address)  # connects to the address that was checked
        async with httpx.AsyncClient(transport=transport, timeout=LINK_SECONDS) as client:
            async with client.stream("GET", link, headers={"Accept-Encoding": "identity"}) as answer:
                if answer.has_redirect_location:
                    link = str(httpx.URL(link).join(answer.headers["location"]))
                    continue
                if answer.status_code != 200:
                    raise refuse(f"The link answers with status {answer.status_code}.", "Link refused")
                return await _save(answer, _new_file(link, folder), most_mb)
    raise refuse("The link leads from one address to the next.", "Link refused")


def is_public(address: str) -> bool:
    """Whether an address is on the Internet: not this machine's, its network's, a carrier's, nor a cover for those."""
    ip = ipaddress.ip_address(address)
    if ip.version == 6:
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        # 6to4 and NAT64 lead to the IPv4 address inside; fec0::/10 was for sites.
        hidden = any(ip in network for network in _TUNNELS)
        return ip.is_global and not (hidden or ip.is_site_local or ip.is_multicast or ip.teredo)
    return ip.is_global and not ip.is_multicast


async def _save(answer: httpx.Response, file: Path, most_mb: int) -> str:
    size = 0
    try:
        with file.open("wb") as content:
            async for piece in answer.aiter_raw():  # unpacked, few bytes may become very many
                size += len(piece)
                if size > most_mb * 1_000_000:
                    raise refuse(f"The linked file has more than {most_mb} MB, the limit.", "File too large")
                content.write(piece)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return str(file)


def _new_file(link: str, folder: str) -> Path:
    parent = Path(folder) / secrets.token_hex(20)
    parent.mkdir(parents=True)
    return parent / (strip_invalid_filename_characters(PurePosixPath(httpx.URL(link).path).name) or "file")


def bounded(component: Component) -> Component:
    """
    Make a file input fetch links within the limit.

    The method of this one object is replaced: Gradio writes a .pyi file beside the module of a component's subclass.
    """
    original = component.async_move_resource_to_block_cache

    async def move(source: str | Path | None) -> str | None:
        if not (source and is_http_url_like(str(source))):
            return await original(source)
        now = time.monotonic()
        if _until.get() is None:
            _until.set(now + LINKS_SECONDS)
        seconds = _until.get() - now
        if seconds <= 0:
            raise refuse(f"The links did not come within {LINKS_SECONDS:g} seconds, the limit.", "Links refused")
        try:
            path = await fetch(str(source), component.GRADIO_CACHE, seconds=min(seconds, LINK_SECONDS))
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise refuse("The link cannot be fetched.", "Link refused") from None
        component.temp_files.add(path)
        return path

    component.async_move_resource_to_block_cache = move
    return component
