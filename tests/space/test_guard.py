"""What stands before the framework: a real app, asked as attackers ask."""

import asyncio
import socket
from pathlib import Path

import httpx
import pytest

from space import guard
from space.guard import Guard, own_hosts
from space.limits import MAX_BODY_MB, MAX_STORED_MB_PER_VISITOR, MAX_UPLOADS_AT_ONCE
from space.storage import FILE_BYTES, folder_bytes

# The guard alone, around an app that reads its body and says how long it is.


async def reading_app(scope, receive, send):
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def ask(guarded, path="/", method="POST", chunks=(b"",), query=b"", **headers):
    """Status, headers and text of an answer."""
    sent, waiting = [], list(chunks)

    async def receive():
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    names = {"host": "localhost"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {"type": "http", "path": path, "method": method, "client": ("1.2.3.4", 1), "query_string": query}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in names.items()]
    asyncio.run(guarded(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(m.get("body", b"") for m in sent[1:]).decode()


@pytest.fixture
def guarded(tmp_path):
    return Guard(reading_app, tmp_path, own_hosts(None, ["page.example"]))


def test_a_body_over_the_limit_is_refused_unread(guarded):
    status, _, text = ask(guarded, "/gradio_api/queue/join", chunks=(), content_length="300000000")
    assert status == 413 and f"{MAX_BODY_MB} MB" in text


def test_a_body_that_does_not_say_its_length_is_counted(guarded):
    status, _, _ = ask(guarded, chunks=[bytes(1_000_000)] * 20, transfer_encoding="chunked")
    assert status == 413
    assert ask(guarded, chunks=[bytes(1_000_000)] * 2, transfer_encoding="chunked")[::2] == (200, "2000000")
    assert ask(guarded, chunks=[bytes(1_000_000)] * 20, content_length="10")[0] == 413


def test_bodies_in_memory_have_a_limit_in_all(guarded, monkeypatch):
    monkeypatch.setattr(guard, "MAX_BODIES_MB", 3)

    async def two():
        first = asyncio.Event()

        async def receive():
            await first.wait()
            return {"type": "http.request", "body": bytes(1_700_000)}

        answers = []

        async def send(message):
            answers.append(message.get("status"))

        scope = {"type": "http", "path": "/", "method": "POST", "client": ("1.2.3.4", 1)}
        scope["headers"] = [(b"host", b"localhost"), (b"content-length", b"1700000")]
        waiting = asyncio.create_task(guarded(scope, receive, send))
        await asyncio.sleep(0)
        await guarded(scope, receive, send)
        assert answers == [503, None]
        first.set()
        await waiting
        assert answers == [503, None, 200, None]

    asyncio.run(two())
    assert guarded._in_flight == 0
    assert ask(guarded, chunks=[bytes(1_700_000)], content_length="1700000")[0] == 200


def test_a_visitor_has_a_quota_of_uploads(guarded):
    size = (MAX_STORED_MB_PER_VISITOR // 2 + 1) * 1_000_000
    assert ask(guarded, "/gradio_api/upload", chunks=[bytes(size)], content_length=str(size))[0] == 200
    status, _, text = ask(guarded, "/gradio_api/upload", chunks=[bytes(size)], content_length=str(size))
    assert status == 413 and "try again later" in text
    assert ask(guarded, "/gradio_api/upload", chunks=[bytes(size)], transfer_encoding="chunked")[0] == 413


def test_a_body_of_very_many_parts_is_refused(guarded):
    """8 MB of [[],[],... were 180 MB as objects, and 64 such requests could wait in the queue."""
    chunk = b"[]," * 10_000
    assert ask(guarded, "/gradio_api/queue/join", chunks=[chunk], content_length=str(len(chunk)))[0] == 413
    frame = b'{"data":["data:image/jpeg;base64,' + b"A" * 1_500_000 + b'"]}'
    assert ask(guarded, "/gradio_api/queue/join", chunks=[frame], content_length=str(len(frame)))[0] == 200


@pytest.mark.parametrize("path", ["/gradio_api/call/upload", "/gradio_api/run/upload/", "/gradio_api/call/mcp", "/mcp"])
def test_only_uploads_and_mcp_may_be_large(guarded, path):
    """Whatever ended in /upload was taken for one: 400 MB of JSON, held in memory."""
    status, _, text = ask(guarded, path, chunks=(), content_length="3000000")
    assert status == 413 and f"{MAX_BODY_MB} MB" in text


async def at_once(guarded, count, path="/gradio_api/upload", size=1000):
    """Statuses of so many requests that come together, whose bodies come when all have begun."""
    all_there, statuses = asyncio.Event(), []

    async def receive():
        await all_there.wait()
        return {"type": "http.request", "body": bytes(size)}

    async def send(message):
        statuses.append(message.get("status"))

    scope = {"type": "http", "path": path, "method": "POST", "client": ("1.2.3.4", 1)}
    scope["headers"] = [(b"host", b"localhost"), (b"transfer-encoding", b"chunked")]
    asked = [asyncio.create_task(guarded(scope, receive, send)) for _ in range(count)]
    await asyncio.sleep(0.2)
    all_there.set()
    await asyncio.gather(*asked)
    return [status for status in statuses if status]


def test_uploads_at_once_share_the_quota(guarded):
    """Each counted when it was whole: 32 at once could bring 400 MB each."""
    size = MAX_STORED_MB_PER_VISITOR * 1_000_000 * 2 // 5
    assert sorted(asyncio.run(at_once(guarded, 3, size=size))) == [200, 200, 413]
    assert not guarded._uploading


def test_one_visitor_leaves_places_for_uploads(guarded, monkeypatch):
    assert asyncio.run(at_once(guarded, MAX_UPLOADS_AT_ONCE)) == [200] * MAX_UPLOADS_AT_ONCE  # one after the other
    monkeypatch.setattr(guard, "UPLOAD_WAIT_SECONDS", 0)
    statuses = asyncio.run(at_once(guarded, MAX_UPLOADS_AT_ONCE))
    assert statuses.count(200) == MAX_UPLOADS_AT_ONCE // 2 == statuses.count(503)


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/queue/join"])
def test_a_body_that_drips_is_given_up(guarded, path, monkeypatch):
    """32 that never came to an end kept everybody else out."""
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)

    async def one(pauses):
        statuses = []

        async def receive():
            await asyncio.sleep(pauses.pop(0))
            return {"type": "http.request", "body": b"x", "more_body": bool(pauses)}

        async def send(message):
            statuses.append(message.get("status"))

        scope = {"type": "http", "path": path, "method": "POST", "client": ("1.2.3.4", 1)}
        scope["headers"] = [(b"host", b"localhost"), (b"transfer-encoding", b"chunked")]
        await guarded(scope, receive, send)
        return statuses[0]

    assert asyncio.run(one([0.001, 0.001])) == 200
    assert asyncio.run(one([0.02] * 1000)) == 408
    assert asyncio.run(one([60.0])) == 408
    assert not guarded._in_flight and not guarded._uploading


def test_who_waits_for_an_answer_is_not_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)

    async def app(scope, receive, send):
        await receive()
        await receive()  # until the visitor goes
        await send({"type": "http.response.start", "status": 200, "headers": []})

    pauses = [0, 0.2]

    async def receive():
        await asyncio.sleep(pauses.pop(0))
        return {"type": "http.request", "body": b""}

    async def send(message):
        assert message["status"] == 200

    scope = {"type": "http", "path": "/", "method": "POST", "client": ("1.2.3.4", 1), "headers": []}
    asyncio.run(Guard(app, tmp_path)(scope, receive, send))


def test_very_many_small_uploads_are_refused(guarded):
    """A thousand empty files a request and no end: the sweeper and the quota have to look at each."""
    part = b'\r\n--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
    most = MAX_STORED_MB_PER_VISITOR * 1_000_000 // FILE_BYTES
    halves = [part[:60], part[60:]] * (most + 1)  # marks may come in two pieces
    assert ask(guarded, "/gradio_api/upload", chunks=halves, transfer_encoding="chunked")[0] == 413
    assert ask(guarded, "/gradio_api/upload", chunks=[part], transfer_encoding="chunked")[0] == 413


def test_files_in_mcp_calls_need_room_on_disk(guarded, tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "MAX_STORED_MB", 9)
    (tmp_path / "file").write_bytes(bytes(2_000_000))
    body = bytes(8_000_000)
    assert ask(guarded, "/gradio_api/mcp/", chunks=[body], content_length=str(len(body)))[0] == 503
    (tmp_path / "file").unlink()
    assert ask(guarded, "/gradio_api/mcp/", chunks=[body], content_length=str(len(body)))[0] == 200
    assert guarded._in_flight == 0


def test_open_requests_have_a_limit(guarded, monkeypatch):
    """Streams of events are open for as long as somebody keeps them so."""
    monkeypatch.setattr(guard, "MAX_REQUESTS_PER_VISITOR", 2)

    async def three():
        first, statuses = asyncio.Event(), []

        async def receive():
            await first.wait()
            return {"type": "http.request", "body": b""}

        async def send(message):
            statuses.append(message.get("status"))

        scope = {"type": "http", "path": "/gradio_api/queue/data", "method": "GET", "client": ("1.2.3.4", 1)}
        scope["headers"] = [(b"host", b"localhost")]
        open_ones = [asyncio.create_task(guarded(scope, receive, send)) for _ in range(2)]
        await asyncio.sleep(0)
        await guarded(scope, receive, send)
        assert statuses == [503, None]
        other = asyncio.create_task(guarded(scope | {"client": ("5.6.7.8", 1)}, receive, send))
        first.set()
        await asyncio.gather(other, *open_ones)
        assert statuses.count(200) == 3

    asyncio.run(three())
    assert not guarded._open


def test_uploads_have_a_quota_in_all(guarded, tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "MAX_STORED_MB", 1)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(bytes(900_000))
    assert folder_bytes(tmp_path) == 900_000
    (tmp_path / "a" / "empty").touch()
    assert folder_bytes(tmp_path) == 900_000 + FILE_BYTES
    (tmp_path / "a" / "empty").unlink()
    assert ask(guarded, "/gradio_api/upload", content_length="200000")[0] == 503
    assert ask(guarded, "/gradio_api/upload", chunks=[bytes(50_000)], content_length="50000")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/deep_link",
        "//gradio_api//deep_link",
        "/gradio_api/process_recording",
        "/gradio_api/file=http://example.com/x.html",
        "/gradio_api/file=HTTPS://example.com/x.html",
        "/gradio_api/file=https:/example.com",
        "/gradio_api/file= http://example.com",
        "/gradio_api/file=ftp://example.com",
        "/gradio_api/file=file:///etc/passwd",
        "/gradio_api/file=data:text/html,x",
        "/gradio_api/file/http://example.com",
        "/gradio_api/proxy=http://example.com",
        "/gradio_api/stream/a/b/c/playlist-file",
        "/gradio_api/stream/event",
        "/gradio_api/custom_component/x/client/component/index.js",
        "/gradio_api/undo-vibe-edit",
        "/gradio_api/vibe-edit",
        "/gradio_api/component_server",
        "/gradio_api/runs",
        "/gradio_api/run-history/records",
        "/monitoring",
        "/monitoring/key",
    ],
)
def test_routes_that_the_page_does_not_need_are_closed(guarded, path):
    assert ask(guarded, path, "GET")[0] == 404


@pytest.mark.parametrize(
    "path", ["/", "/config", "/gradio_api/file=/tmp/x/photo.png", "/gradio_api/run/predict", "/gradio_api/info"]
)
def test_others_are_open(guarded, path):
    assert ask(guarded, path)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "169.254.169.254", "", "127.0.0.1.nip.io"])
def test_strangers_names_are_refused(guarded, host):
    assert ask(guarded, host=host)[0] == 421


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1:1", "[::1]:7860", "Page.Example"])
def test_its_own_names_are_not(guarded, host):
    assert ask(guarded, host=host)[0] == 200


def test_strangers_names_are_refused_when_a_proxy_passes_them_on(guarded):
    assert ask(guarded, x_forwarded_host="evil.example")[0] == 421
    assert ask(guarded, x_forwarded_host="page.example, localhost")[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost.evil.example:7860", "file://"])
def test_pages_of_others_ask_for_nothing(guarded, origin):
    """A page that the visitor has open elsewhere could upload to an app on their machine, and have it work."""
    for path in ("/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/mcp/"):
        assert ask(guarded, path, origin=origin)[0] == 403
        assert ask(guarded, path, origin="http://localhost:7860")[0] == 200
        assert ask(guarded, path, origin="https://page.example")[0] == 200


def test_a_long_query_is_refused(guarded):
    """The framework remembers the names of uploads that are asked for, whatever they are."""
    assert ask(guarded, "/gradio_api/upload_progress", "GET", query=b"upload_id=" + b"x" * 50_000)[0] == 404


def test_an_app_that_listens_to_others_is_called_by_addresses(tmp_path):
    guarded = Guard(reading_app, tmp_path, own_hosts("0.0.0.0", []))
    assert ask(guarded, host="192.168.1.7:7860")[0] == 200
    assert ask(guarded, host="evil.example")[0] == 421


def test_every_answer_has_the_headers(guarded):
    for path in ("/", "/gradio_api/deep_link"):
        headers = ask(guarded, path)[1]
        assert headers[b"x-content-type-options"] == b"nosniff" and headers[b"x-frame-options"] == b"SAMEORIGIN"
        assert b"frame-ancestors 'self'" in headers[b"content-security-policy"]
    assert ask(guarded, "/gradio_api/file=/tmp/x.svg")[1][b"content-security-policy"].endswith(b"sandbox")


# The real app


def test_the_app_stands_behind_the_guard(tiny_app):
    page = httpx.get(tiny_app.url, timeout=60)
    assert page.headers["x-content-type-options"] == "nosniff" and "content-security-policy" in page.headers
    assert httpx.get(tiny_app.url, headers={"Host": "evil.example"}, timeout=60).status_code == 421
    for route in ("deep_link?session_hash=x", "file=http://example.com/"):
        assert httpx.get(f"{tiny_app.url}gradio_api/{route}", timeout=60).status_code == 404
    assert httpx.post(f"{tiny_app.url}gradio_api/process_recording", content=b"x", timeout=60).status_code == 404


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("queue/join", {"data": [], "fn_index": 10**9, "session_hash": "a"}),
        ("queue/join", {"data": [], "fn_index": -1, "session_hash": "a"}),
        ("call/v2/nothing", {}),
        ("call/nothing", {"data": []}),
    ],
)
def test_what_the_framework_stumbles_over_is_refused_in_a_sentence(tiny_app, route, body):
    answer = httpx.post(f"{tiny_app.url}gradio_api/{route}", json=body, timeout=60)
    assert answer.status_code >= 400 and " " in answer.json()["detail"]


def test_a_huge_body_is_refused_before_it_is_sent(tiny_app):
    port = int(tiny_app.url.rstrip("/").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(
            b"POST /gradio_api/call/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 300000000\r\n\r\n"
        )
        assert b" 413 " in connection.recv(1000).partition(b"\r\n")[0]


def test_uploads_lie_in_a_private_folder(tiny_app, astronaut_file):
    folder = Path(tiny_app.upload(astronaut_file)).parents[2]
    assert folder.name.startswith("grefel-page-") and folder.stat().st_mode & 0o777 == 0o700
