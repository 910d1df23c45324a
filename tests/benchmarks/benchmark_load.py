"""
The page under load: many visitors at once, then very many photos, with faults in between.

    python -m tests.benchmarks.benchmark_load [--visitors 200] [--photos 5000]

Prints how many were answered, queued or refused, how long they waited, and memory, threads and open files of the
server. Of the visitors a twentieth brings a video, a tenth the camera, a fortieth a set of ten photos, the others a
photo each. The faults: the decoders of a video and of a photo are killed (-9), YuNet's file is deleted while it is in
use (where GREFEL_YUNET names one), and the folder of uploads is filled up to the page's limit.
"""

import argparse
import contextlib
import os
import shutil
import signal
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import skimage.data
from PIL import Image

from space.limits import MAX_STORED_MB, UNREAD_SECONDS
from tests.benchmarks.measuring import positive
from tests.helpers.page_driver import offline_environment, running_app
from tests.helpers.video_clips import scene, write_clip
from tests.helpers.visitors import (
    children,
    live_visitor,
    megabytes,
    open_files,
    outcome,
    photo_visitor,
    process_of,
    set_visitor,
    threads,
    video_visitor,
)

WORKERS = 4  # that ask for photos one after the other
ROW = 10  # how often the long run is measured


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=positive, default=200)
    parser.add_argument("--photos", type=positive, default=5000)
    return parser.parse_args()


def state(process: int) -> str:
    return f"{megabytes(process):.0f} MB, {threads(process)} threads, {open_files(process)} open files"


def visitors_at_once(url: str, process: int, photo: Path, clip: Path, count: int) -> None:
    """All begin at the same moment."""
    wanted = {"video": count // 20, "camera": count // 10, "set": count // 40}
    jobs = [("photo", photo_visitor, photo)] * (count - sum(wanted.values()))
    jobs += [("video", video_visitor, clip)] * wanted["video"]
    jobs += [("camera", live_visitor, photo)] * wanted["camera"] + [("set", set_visitor, photo)] * wanted["set"]
    print(f"before: {state(process)}")
    begun = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        outcomes = list(pool.map(lambda job: (job[0], *outcome(job[1], url, job[2])), jobs))
    print(f"{count} visitors at once, {time.monotonic() - begun:.0f} s in all; then {state(process)}")
    for kind in ("photo", "video", "camera", "set"):
        rows = [(what, seconds) for name, what, seconds in outcomes if name == kind]
        waits = [seconds for what, seconds in rows if what == "answered"]
        if rows:
            middle = (
                f"median {statistics.median(waits):.1f} s, at most {max(waits):.1f} s" if waits else "none answered"
            )
            print(f"  {kind}: {dict(Counter(what for what, _ in rows))}; {middle}")
    time.sleep(1.5 * UNREAD_SECONDS)
    print(f"{1.5 * UNREAD_SECONDS:.0f} s later: {state(process)}, {len(children(process))} processes of it")


def photos_on_end(url: str, process: int, photo: Path, count: int) -> None:
    """Photo after photo, by a few at a time."""
    found: Counter[str] = Counter()
    begun = time.monotonic()
    for part in range(ROW):
        with ThreadPoolExecutor(WORKERS) as pool:
            found.update(
                kind for kind, _ in pool.map(lambda _: outcome(photo_visitor, url, photo), range(count // ROW))
            )
        print(
            f"{(part + 1) * (count // ROW)} photos, {time.monotonic() - begun:.0f} s: {state(process)}; {dict(found)}"
        )


def killed_decoder(url: str, process: int, file: Path, visitor: Callable[..., str], module: str) -> None:
    """The process that decodes is killed in the middle of it, again and again until the visitor is told."""
    done: list[tuple[str, float]] = []
    asked = threading.Thread(target=lambda: done.append(outcome(visitor, url, file)))
    asked.start()
    killed: set[int] = set()
    while asked.is_alive():
        for decoder in children(process, module):
            with contextlib.suppress(ProcessLookupError):
                os.kill(decoder, signal.SIGKILL)
                killed.add(decoder)
    asked.join()
    after = outcome(visitor, url, file)[0]
    print(f"{len(killed)} {module} killed: its visitor was {done[0][0]}; the next one {after}")


def full_disk(url: str, uploads: Path, photo: Path) -> None:
    """The folder holds all that it may."""
    (uploads / "filling").mkdir()
    with (uploads / "filling" / "file").open("wb") as file:
        file.truncate(MAX_STORED_MB * 1_000_000)  # takes no room itself
    refused = outcome(photo_visitor, url, photo)[0]
    shutil.rmtree(uploads / "filling")
    print(f"no room for uploads: a photo was {refused}; with room again {outcome(photo_visitor, url, photo)[0]}")


def main() -> None:
    """Start the page, and all of the above."""
    args = parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        portrait = Image.fromarray(skimage.data.astronaut())
        photo, clip = folder / "photo.jpg", folder / "clip.mp4"
        portrait.save(photo)
        write_clip(clip, [scene(portrait, 20 + index % 60) for index in range(100)])
        environment = offline_environment(GRADIO_TEMP_DIR=str(folder / "uploads"))
        detector, weights = "hog", os.environ.get("GREFEL_YUNET")
        if weights:
            detector, environment["GREFEL_YUNET"] = "yunet", shutil.copy(weights, folder / "yunet.onnx")
        with running_app("--detector", detector, log=folder / "app.log", environment=environment) as url:
            process = process_of(url)
            for visitor, file in ((photo_visitor, photo), (video_visitor, clip), (set_visitor, photo)):
                outcome(visitor, url, file)  # what loads late
            print(f"detector {detector}, {os.cpu_count()} cores, load of the machine {os.getloadavg()[0]:.1f}")
            visitors_at_once(url, process, photo, clip, args.visitors)
            killed_decoder(url, process, clip, video_visitor, "decoder_process")
            killed_decoder(url, process, photo, photo_visitor, "photo_process")
            (uploads,) = (folder / "uploads").glob("grefel-page-*/gradio")
            full_disk(url, uploads, photo)
            if weights:
                (folder / "yunet.onnx").unlink()
                print(f"YuNet's file deleted: a photo was {outcome(photo_visitor, url, photo)[0]}")
            photos_on_end(url, process, photo, args.photos)
        print(f"tracebacks in the log: {(folder / 'app.log').read_text().count('Traceback')}")
        print(f"files left: {[path.name for path in (folder / 'uploads').rglob('*')]}")


if __name__ == "__main__":
    main()
