"""A Hub that is silent, drips or answers with something else stops nobody who has the model."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from grefel_hf import hub
from grefel_hf.checkpoint import checkpoint_digest
from grefel_hf.hub import HubTimeoutError, checkpoint_folder, in_time
from grefel_hf.loading import load_checkpoint
from tests.helpers.hub_server import Repository, git_id, running_hub

COMMIT = "0123456789" * 4


@contextmanager
def bad_hub(answer):
    """A server whose connections `answer` gets, with an event that says when the test is over."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self, over)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def silence(request, over):
    over.wait(30)


def drip(request, over):
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Header: ")
    while not over.wait(0.05):
        request.wfile.write(b"x")


def garbage(request, over):
    request.send_response(200)
    request.end_headers()
    request.wfile.write(b"<html>Sign in to this network</html>")


def circle(request, over):
    request.send_response(302)
    request.send_header("Location", request.path)
    request.end_headers()


def failure(request, over):
    request.send_error(500)


@pytest.fixture
def online(monkeypatch, tmp_path):
    """The Hub is to be asked, at an address that the test gives, with an empty cache."""

    def use(url):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(hub, "UPDATE_SECONDS", 0.5)
    return use


@pytest.fixture
def cached(tiny_checkpoint, online, tmp_path):
    """A model in the cache."""
    folder = tmp_path / "cache" / "models--user--grefel"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "snapshots").mkdir()
    (folder / "snapshots" / COMMIT).symlink_to(tiny_checkpoint)
    return "user/grefel"


@pytest.mark.parametrize("answer", [silence, drip, garbage, failure, circle])
def test_a_cached_model_starts_whatever_the_hub_does(cached, online, answer):
    with bad_hub(answer) as url:
        online(url)
        start = time.monotonic()
        assert checkpoint_folder(cached).name == COMMIT
        assert time.monotonic() - start < 10  # half a second, on a machine that is not busy
        model, _ = load_checkpoint(cached)
        assert checkpoint_digest(cached)
    assert model.name_or_path == cached


@pytest.mark.parametrize("answer", [silence, drip, garbage, circle])
def test_a_model_that_is_not_cached_is_given_up_in_a_sentence(online, answer):
    with bad_hub(answer) as url:
        online(url)
        start = time.monotonic()
        with pytest.raises(OSError, match="cannot be fetched from the Hub") as refusal:
            checkpoint_folder("user/grefel")
        assert time.monotonic() - start < 10 and "\n" not in str(refusal.value)


def test_a_local_model_asks_nobody(tiny_checkpoint, online):
    def refuse(request, over):
        pytest.fail("asked")

    with bad_hub(refuse) as url:
        online(url)
        load_checkpoint(tiny_checkpoint)


def test_a_newer_version_is_fetched_and_its_branch_noted(cached, online, tiny_checkpoint, monkeypatch):
    files = {file.name: file.read_bytes() for file in tiny_checkpoint.iterdir() if file.suffix != ".py"}
    monkeypatch.setattr(hub, "ANSWER_SECONDS", 20)
    monkeypatch.setattr(hub, "UPDATE_SECONDS", 60)
    with running_hub() as server:
        repository = server.repositories["models", "user/grefel"] = Repository("models", "user/grefel", private=False)
        server.blobs |= {git_id(content): content for content in files.values()}
        newer = repository.commit("main", {name: git_id(content) for name, content in files.items()}, "weights")
        online(server.url)
        folder = checkpoint_folder("user/grefel")
        assert folder.name == newer
        before = len(server.requests)
        assert checkpoint_folder("user/grefel") == folder
        assert len(server.requests) == before + 1  # which version there is, and no more
        assert checkpoint_folder("user/grefel", newer) == folder
        assert len(server.requests) == before + 1
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert checkpoint_folder("user/grefel") == folder


def test_errors_come_through_and_lateness_is_one():
    with pytest.raises(ZeroDivisionError):
        in_time(lambda: 1 / 0, 5)
    over = threading.Event()
    with pytest.raises(HubTimeoutError, match="within 0.1 s"):
        in_time(lambda: over.wait(10), 0.1)
    over.set()
