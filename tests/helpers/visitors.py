"""Visitors of a running page, as their browsers and programs ask; and what its process takes."""

import base64
import contextlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

MOST_SECONDS = 600  # for one visitor, so that nothing hangs unseen
FILE = {"meta": {"_type": "gradio.FileData"}}


def outcome(visitor: Callable[..., str], *arguments) -> tuple[str, float]:
    """What became of a visitor, and after how many seconds."""
    begun = time.monotonic()
    try:
        kind = visitor(*arguments)
    except (httpx.HTTPError, OSError, ValueError, LookupError) as error:
        kind = f"failed: {type(error).__name__} {str(error)[:100]}"
    return kind, time.monotonic() - begun


def photo_visitor(url: str, photo: Path) -> str:
    """Asks for one photo."""
    return _ask(url, "predict", [photo], lambda files: [files[0]])


def set_visitor(url: str, photo: Path, count: int = 10) -> str:
    """Asks for a set of photos."""
    return _ask(url, "many_photos", [photo], lambda files: [files * count])


def video_visitor(url: str, clip: Path) -> str:
    """Asks for a video."""
    return _ask(url, "video", [clip], lambda files: [files[0], 0.5])


def live_visitor(url: str, photo: Path, frames: int = 5) -> str:
    """Shows a photo to the camera tab, frame after frame; "queued" where all seats were taken."""
    session = os.urandom(8).hex()
    frame = f"data:image/jpeg;base64,{base64.b64encode(photo.read_bytes()).decode()}"
    kinds = set()
    with _browser() as client:
        config = client.get(f"{url}config").json()
        camera = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "gf-camera")
        event = next(
            part["id"] for part in config["dependencies"] if [camera, "submit"] in [list(t) for t in part["targets"]]
        )
        for _ in range(frames):
            body = {"data": [None], "fn_index": event, "session_hash": session, "event_data": {"frame": frame}}
            joined = client.post(f"{url}gradio_api/queue/join", json=body)
            if joined.status_code != 200:
                return _refusal(joined)
            kinds.add(_live_answer(client, url, session))
    return "failed" if "failed" in kinds else "queued" if "queued" in kinds else "answered"


def _refusal(answer: httpx.Response) -> str:
    """Where, and that it was in a sentence."""
    reason = answer.json().get("detail")
    route = "upload" if answer.url.path.endswith("/upload") else "queue"
    return f"refused by the {route}" if isinstance(reason, str) and " " in reason else f"failed: {answer.text[:100]}"


def _browser() -> httpx.Client:
    """Each visitor has an address of their own, of this machine."""
    address = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
    return httpx.Client(timeout=MOST_SECONDS, transport=httpx.HTTPTransport(local_address=address))


def _live_answer(client: httpx.Client, url: str, session: str) -> str:
    with client.stream("GET", f"{url}gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line[5:]) if line.startswith("data:") else {}
            if message.get("msg") == "process_completed":
                text = json.dumps(message["output"])
                return "failed" if not message["success"] else "queued" if "queue" in text else "answered"
    return "failed"


def _ask(url: str, endpoint: str, files: list[Path], data_of: Callable[[list[dict]], list]) -> str:
    with _browser() as client:
        uploaded = []
        for file in files:
            with file.open("rb") as content:
                answer = client.post(f"{url}gradio_api/upload", files={"files": (file.name, content)})
            if answer.status_code != 200:
                return _refusal(answer)
            uploaded.append({"path": answer.json()[0], **FILE})
        call = client.post(f"{url}gradio_api/call/{endpoint}", json={"data": data_of(uploaded)})
        if call.status_code != 200:
            return _refusal(call)
        text = client.get(f"{url}gradio_api/call/{endpoint}/{call.json()['event_id']}").text
    last = text.strip().rpartition("event: ")[2]
    if last.startswith("complete"):
        return "answered"
    return "refused" if '"error": null' not in last and '"error"' in last else f"failed: {last[:100]}"


def process_of(url: str) -> int:
    """The id of the app's process, by its --port."""
    port = url.rstrip("/").rpartition(":")[2].encode()
    for number, words in _processes():
        if b"app.py" in words and port in words:
            return number
    raise RuntimeError(f"no app.py runs on port {port.decode()}")


def megabytes(process: int) -> float:
    """Resident memory, that of the processes that decode for it included."""
    kilobytes = 0
    for number in (process, *children(process)):
        with contextlib.suppress(OSError, IndexError):  # it has ended
            status = Path(f"/proc/{number}/status").read_text()
            kilobytes += int(status.partition("VmRSS:")[2].split()[0])
    return kilobytes / 1024


def threads(process: int) -> int:
    return len(list(Path(f"/proc/{process}/task").iterdir()))


def open_files(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def children(process: int, module: str = "") -> list[int]:
    """The processes that it started, those that run a module of this name."""
    found = []
    for number, words in _processes():
        with contextlib.suppress(OSError):  # it has ended
            parent = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
            if parent == process and module.encode() in b" ".join(words):
                found.append(number)
    return found


def _processes() -> Iterator[tuple[int, list[bytes]]]:
    """Number and command line of each."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            yield int(folder.name), (folder / "cmdline").read_bytes().split(b"\0")
