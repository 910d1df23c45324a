"""
What stands before the framework's routes: bodies have a limit before they are read, routes that the page does not need
are closed, strangers' host names are refused, and every answer tells browsers how little it may do.
"""

import asyncio
import json
import os
import re
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from .limits import (
    BODY_SECONDS,
    LEAST_BYTES_A_SECOND,
    MAX_BODIES_MB,
    MAX_BODY_MB,
    MAX_MCP_BODY_MB,
    MAX_REQUESTS_AT_ONCE,
    MAX_REQUESTS_PER_VISITOR,
    MAX_STORED_MB,
    MAX_STORED_MB_PER_VISITOR,
    MAX_UPLOADS_AT_ONCE,
    STORED_SECONDS,
    UPLOAD_WAIT_SECONDS,
)
from .storage import FILE_BYTES, folder_bytes

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

PREFIX = "/gradio_api/"
# The framework's routes that the page does not use: they write what visitors see to disk, transcode outside the queue,
# fetch for strangers, edit the app, or tell what others do.
CLOSED = re.compile(
    r"/+(gradio_api/+)?(deep_link|process_recording|proxy=|file/|component_server|custom_component|stream/|runs\b|"
    r"run-history|vibe-|undo-vibe-|monitoring|profiling|dev/|file=\s*[a-z][a-z0-9+.-]+:|file=/*(https?|ftp):)",
    re.IGNORECASE,
)
UPLOAD = re.compile(r"/gradio_api/upload/?")
MCP = re.compile(r"/gradio_api/mcp(/|$)")
UPLOADED = re.compile(r"/+(gradio_api/+)?(file=|stream/)", re.IGNORECASE)
READING = {"GET", "HEAD", "OPTIONS"}
LONGEST_QUERY = 2000  # bytes; what the framework remembers of some for ever
LOOK_SECONDS = 0.1  # between looks whether another upload may begin
NO_ROOM = "There is no room for uploads at the moment: try again in some minutes."
QUOTA_SPENT = f"You have uploaded {MAX_STORED_MB_PER_VISITOR} MB in the last minutes, the limit: try again later."
PART_BYTES = 200  # what each part of a JSON body counts on top of its characters: it is an object in memory
ON_SPACE = bool(os.environ.get("SPACE_ID"))  # behind a proxy that names the visitor, and in a frame of huggingface.co


class BodyRefusedError(Exception):
    """A body is not read to its end. status, text: of the answer."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status, self.text = status, text


class Guard:
    """
    ASGI middleware.

    Args:
        uploads: the folder that uploads go to.
        hosts: names by which the app may be called, None for any; addresses in figures are accepted where it listens
            to others.
    """

    def __init__(self, app, uploads: Path, hosts: frozenset[str] | None = None):
        self._app, self._uploads, self._hosts = app, uploads, hosts
        self._in_flight = 0  # bytes of bodies that are held in memory
        self._uploading: Counter[str] = Counter()  # uploads, by visitor
        self._open: Counter[str] = Counter()  # requests that are not yet answered to the end, by visitor
        self._stored: dict[str, deque[tuple[float, int]]] = {}  # by visitor: when, bytes
        self._kept: Counter[str] = Counter()  # the bytes of these and of uploads under way, by visitor

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":  # the page has no web sockets
            return await send({"type": "websocket.close", "code": 1008})
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path, send = scope["path"], with_headers(send, scope["path"])
        names = [headers.get("host", ""), *filter(None, headers.get("x-forwarded-host", "").split(","))]
        if not all(map(self._is_own_host, names)):
            return await answer(send, 421, "This app is not called by that name.")
        if scope["method"] not in READING and not self._is_own_origin(headers.get("origin")):
            return await answer(send, 403, "Pages of other hosts may not ask this app.")
        if CLOSED.match(path) or len(scope.get("query_string", b"")) > LONGEST_QUERY:
            return await answer(send, 404, "There is no such route.")
        visitor = visitor_of(scope, headers)
        if self._open.total() >= MAX_REQUESTS_AT_ONCE or self._open[visitor] >= MAX_REQUESTS_PER_VISITOR:
            return await answer(send, 503, "Too many requests at once: try again in some seconds.")
        self._open[visitor] += 1
        try:
            handle = self._upload if UPLOAD.fullmatch(path) else self._other
            await handle(scope, receive, send, headers)
        finally:
            self._open[visitor] -= 1
            if not self._open[visitor]:
                del self._open[visitor]

    def _is_own_origin(self, origin: str | None) -> bool:
        """Whether the page that asks, as browsers tell, is this app's own; programs tell none."""
        return self._hosts is None or origin is None or self._is_own_host(origin.partition("://")[2])

    def _is_own_host(self, host: str) -> bool:
        if self._hosts is None:
            return True
        name = re.sub(r":\d*$", "", host.strip()).strip("[]").lower()
        return name in self._hosts or ("*" in self._hosts and re.fullmatch(r"[\d.]+|[\da-f:.]*:[\da-f:.]*", name))

    async def _upload(self, scope, receive, send, headers):
        """Goes to disk: bounded by what lies there, in all and of this visitor."""
        visitor = visitor_of(scope, headers)
        now = time.monotonic()
        for other in list(self._stored):
            while self._stored[other] and now - self._stored[other][0][0] > STORED_SECONDS:
                self._kept -= Counter({other: self._stored[other].popleft()[1]})
            if not self._stored[other]:
                del self._stored[other]
        uploading, until = self._uploading, now + UPLOAD_WAIT_SECONDS
        while uploading.total() >= MAX_UPLOADS_AT_ONCE or 2 * uploading[visitor] >= MAX_UPLOADS_AT_ONCE:
            if time.monotonic() >= until:
                return await answer(send, 503, NO_ROOM)
            await asyncio.sleep(LOOK_SECONDS)
        uploading[visitor] += 1
        try:
            await self._bounded_upload(scope, receive, send, headers, visitor)
        finally:
            self._uploading -= Counter({visitor: 1})  # what is 0 goes

    async def _bounded_upload(self, scope, receive, send, headers, visitor):
        kept = self._kept.total()
        stored = await asyncio.to_thread(folder_bytes, self._uploads) - kept  # and what is kept from now on
        announced = announced_bytes(headers) or 0

        def check(more: int) -> None:
            if self._kept[visitor] + more > MAX_STORED_MB_PER_VISITOR * 1_000_000:
                raise BodyRefusedError(413, QUOTA_SPENT)
            if stored + self._kept.total() + more > MAX_STORED_MB * 1_000_000:
                raise BodyRefusedError(503, NO_ROOM)

        def count(size: int) -> None:
            check(size)
            self._kept[visitor] += size

        try:
            check(announced or 1)
        except BodyRefusedError as error:
            return await answer(send, error.status, error.text)
        counted = CountedBody(receive, count, (b"filename",), FILE_BYTES)
        try:
            await run_counted(self._app, scope, counted, send)
        finally:
            self._stored.setdefault(visitor, deque()).append((time.monotonic(), counted.bytes))

    async def _other(self, scope, receive, send, headers):
        """Is held in memory, and takes a multiple of its size there."""
        is_mcp = MCP.match(scope["path"]) is not None
        most = (MAX_MCP_BODY_MB if is_mcp else MAX_BODY_MB) * 1_000_000
        announced = announced_bytes(headers)
        if announced is not None and announced > most:
            return await answer(send, 413, f"A request may have {most // 1_000_000} MB.")
        held = announced if announced is not None else (most if "transfer-encoding" in headers else 0)
        if is_mcp and held > MAX_BODY_MB * 1_000_000:  # with files inside, which go to disk
            stored = await asyncio.to_thread(folder_bytes, self._uploads)
            if stored + held > MAX_STORED_MB * 1_000_000:
                return await answer(send, 503, "There is no room for files at the moment: try again in some minutes.")
        if held and self._in_flight + held > MAX_BODIES_MB * 1_000_000:
            return await answer(send, 503, "Too many large requests at once: try again in some seconds.")
        self._in_flight += held
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                self._in_flight -= held

        async def send_and_release(message: dict[str, Any]) -> None:
            release()  # an answer has begun: the body was read, and what streams may last
            await send(message)

        def count(size: int) -> None:
            if body.bytes + size > most:
                raise BodyRefusedError(413, "More came than a request may have.")

        try:
            body = CountedBody(receive, count, (b"[", b"{", b","), PART_BYTES)
            await run_counted(self._app, scope, body, send_and_release)
        finally:
            release()


class CountedBody:
    """
    A `receive` that reports how many bytes have come, of which each of the `marks` counts as so many more: what a body
    becomes is larger than itself. It raises what `count` raises, and BodyRefusedError for a body that drips.
    """

    def __init__(self, receive: Receive, count: Callable[[int], None], marks: tuple[bytes, ...], mark_bytes: int):
        self._receive, self._count = receive, count
        self._marks, self._mark_bytes = marks, mark_bytes
        self._tail = b""  # where a mark may have begun
        self._begun, self._came, self._is_whole = time.monotonic(), 0, False
        self.bytes = 0

    async def __call__(self) -> dict[str, Any]:
        if self._is_whole:  # what comes now is that the visitor has gone
            return await self._receive()
        patience = self._begun + BODY_SECONDS + self._came / LEAST_BYTES_A_SECOND - time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(patience, 0.001))
        except (TimeoutError, asyncio.TimeoutError):
            raise BodyRefusedError(408, "This came too slowly: try again.") from None
        body = message.get("body", b"")
        self._is_whole = not message.get("more_body", False)
        self._came += len(body)
        content = self._tail + body
        size = len(body) + self._mark_bytes * sum(content.count(mark) for mark in self._marks)
        self._tail = content[len(content) - max(map(len, self._marks)) + 1 :]
        self._count(size)
        self.bytes += size
        return message


async def run_counted(app, scope: dict[str, Any], body: CountedBody, send: Send) -> None:
    """Run the app; where its body is refused it is told so, if nothing was answered yet."""
    started = False

    async def watched(message: dict[str, Any]) -> None:
        nonlocal started
        started = True
        await send(message)

    try:
        await app(scope, body, watched)
    except BodyRefusedError as error:
        if not started:
            await answer(send, error.status, error.text)
    except Exception:  # which stands in the log
        if not started:
            await answer(send, 500, "This request was not understood, or could not be answered.")
        raise


def announced_bytes(headers: dict[str, str]) -> int | None:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else None


def visitor_of(scope: dict[str, Any], headers: dict[str, str]) -> str:
    """Who asks: the address, or behind the proxy of a Space the last one that it names."""
    if ON_SPACE and headers.get("x-forwarded-for"):
        return headers["x-forwarded-for"].rpartition(",")[2].strip()
    return (scope.get("client") or ("",))[0]


def with_headers(send: Send, path: str) -> Send:
    """A `send` that adds the headers of `security_headers` to every answer."""
    extra = [(name.encode(), value.encode()) for name, value in security_headers(path).items()]

    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in extra}
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in names]
            message = {**message, "headers": [*kept, *extra]}
        await send(message)

    return sending


def security_headers(path: str) -> dict[str, str]:
    """Nothing is guessed, sent on or framed; what was uploaded runs nothing whatever it is."""
    headers = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "permissions-policy": "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()",
    }
    if not ON_SPACE:
        headers["x-frame-options"] = "SAMEORIGIN"
    if UPLOADED.match(path):
        return headers | {"content-security-policy": "default-src 'none'; sandbox"}
    # The framework's page has inline scripts and evaluates the events' own.
    scripts = "'self' 'unsafe-inline' 'unsafe-eval' blob:"
    frames = "'self'"
    if ON_SPACE:
        scripts += " https://cdnjs.cloudflare.com"  # the framework's script that fits the frame to the page
        frames += " https://huggingface.co https://*.hf.space"
    policy = {
        "default-src": "'self'",
        "script-src": scripts,
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": frames,
    }
    return headers | {"content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items())}


async def answer(send: Send, status: int, text: str) -> None:
    body = json.dumps({"detail": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    # What is still under way is not read.
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})


def own_hosts(listening: str | None, more: list[str]) -> frozenset[str] | None:
    """
    By what names the app may be called: a page elsewhere that names its own host after this machine's address must not
    read what is answered here.

    Args:
        listening: the address that the app listens on; None for this machine only.
        more: names that the operator adds.
    """
    if ON_SPACE:
        return None  # its proxy knows the names
    names = {"localhost", "127.0.0.1", "::1", *(name.lower() for name in more)}
    if listening and listening not in names:
        names |= {"*", listening.lower(), os.uname().nodename.lower()} if hasattr(os, "uname") else {"*", listening}
    return frozenset(names)
