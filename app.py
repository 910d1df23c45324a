"""
The page of grefel_hf: drop a photo, see every face's expression and how reliable it is.

    python app.py [--model FOLDER_OR_HUB_ID] [--detector auto|yunet|hog|none] [--host HOST] [--port PORT]

Without --model (or the environment variable GREFEL_MODEL) it runs on the checkpoint that comes with the package.
"""

import argparse
import gc
import os
import sys
import threading
from pathlib import Path

from grefel_hf.faces.detection import DETECTORS


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; defaults come from the environment, as on a Space."""
    parser = argparse.ArgumentParser(description="Serve the page of grefel_hf.")
    parser.add_argument(
        "--model", default=os.environ.get("GREFEL_MODEL") or None, help="folder or Hub id (default: bundled weights)"
    )
    parser.add_argument("--detector", default="auto", choices=DETECTORS, help="face detector (default: auto)")
    parser.add_argument("--host", default=None, help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=None, help="port to listen on (default: the first free from 7860)")
    parser.add_argument(
        "--allowed_host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which the page may be called, too",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

    from space.private_folder import take_private_folder

    take_private_folder()
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
gc.disable()  # searching what the imports below build for garbage, of which there is none, is a quarter of their time

import gradio as gr  # noqa: E402
from gradio.routes import templates  # noqa: E402
from gradio.utils import get_upload_folder  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402

from grefel_hf import FacialExpressionPredictor  # noqa: E402
from grefel_hf.checkpoint import BUNDLED_CHECKPOINT  # noqa: E402
from space.api import mend_mcp_lists  # noqa: E402
from space.guard import Guard, own_hosts  # noqa: E402
from space.hardware import best_device, warm_up  # noqa: E402
from space.language import speak_english  # noqa: E402
from space.limits import MAX_SESSIONS, MAX_UPLOAD_MB  # noqa: E402
from space.page import DELETE_CACHE, build_page, public_name  # noqa: E402
from space.sessions import forget_sessions  # noqa: E402
from space.sweeper import own_files, start_sweeping  # noqa: E402
from space.theme import CSS, page_head, page_theme  # noqa: E402
from space.uploads import PHOTOS  # noqa: E402

gc.freeze()
gc.enable()


def load_predictor(model: str | None, detector: str) -> FacialExpressionPredictor:
    """The predictor on the best device; a model or detector that cannot be had ends the program with one sentence."""
    try:
        return FacialExpressionPredictor.from_pretrained(model, detector=detector, device=best_device())
    except Exception as error:  # transformers, safetensors and huggingface_hub raise many types
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        sys.exit(f"app.py: cannot load the model {model or BUNDLED_CHECKPOINT}: {reason}")


def launch(page: gr.Blocks, **settings) -> None:
    """Serve the page; an address that cannot be had ends the program with one sentence."""
    try:
        page.launch(**settings)
    except (OSError, OverflowError) as error:
        where = f"port {settings['server_port']}" if settings["server_port"] else "a free port"
        reason = str(error).splitlines()[0]
        sys.exit(f"app.py: cannot listen on {where} ({reason}): choose another with --port")


def main(arguments: list[str] | None = None) -> None:
    """Build the page and serve it until it is stopped."""
    args = parse_args(arguments)
    predictor = load_predictor(args.model, args.detector)
    page = build_page(predictor, args.model)
    PHOTOS.start()
    start_sweeping(page, own_files(page), *DELETE_CACHE)
    speak_english(templates.env)
    launch(
        page,
        server_name=args.host,
        server_port=args.port,
        theme=page_theme(),
        css_paths=CSS,
        head=page_head(public_name(args.model)),
        max_file_size=f"{MAX_UPLOAD_MB}mb",
        run_history=False,
        quiet=True,
        footer_links=["api"],
        ssr_mode=False,
        mcp_server=True,
        show_error=False,
        prevent_thread_lock=True,
        state_session_capacity=MAX_SESSIONS,
        app_kwargs={
            "middleware": [Middleware(Guard, Path(get_upload_folder()), own_hosts(args.host, args.allowed_host))]
        },
    )
    print(f"The page is at {page.local_url} (Ctrl-C ends it).", flush=True)
    forget_sessions(page)
    mend_mcp_lists(page)
    threading.Thread(target=warm_up, args=(predictor,), name="warm-up", daemon=True).start()
    page.block_thread()


def __getattr__(name: str) -> gr.Blocks:
    """`app.demo`, for tools that look for it, is built only when asked for."""
    if name == "demo":
        args = parse_args([])
        return build_page(load_predictor(args.model, args.detector), args.model)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    main()
