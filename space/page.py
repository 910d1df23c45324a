"""The page: its tabs, and what they share."""

import copy
import logging
from pathlib import Path
from typing import Any

import gradio as gr

from grefel_hf import FacialExpressionPredictor
from grefel_hf.checkpoint import BUNDLED_CHECKPOINT
from grefel_hf.reliability import Reliability

from .api import add_endpoints, measured_figures
from .limits import QUEUE_SIZE, STORED_SECONDS, LargestFaces
from .measured import LEAST_ASKED, coverage_at, coverage_by_strictness, load_evaluation
from .rendering import html, render
from .sentences import EVERY_ANSWER, UNSURE, strictness_sentence
from .tabs.about.tab import about_tab
from .tabs.about.view import about_view
from .tabs.live.handlers import LiveHandlers
from .tabs.live.tab import live_tab
from .tabs.many.handlers import ManyPhotosHandlers
from .tabs.many.tab import many_tab
from .tabs.photo.handlers import PhotoHandlers
from .tabs.photo.tab import PhotoTab
from .tabs.video.handlers import VideoHandlers
from .tabs.video.tab import video_tab

logger = logging.getLogger("grefel_hf")

TITLE = "GReFEL: reliable facial expression recognition"
# Uploads older than the second number (seconds) are deleted; how often is the first. The page promises ten minutes.
DELETE_CACHE = (60, STORED_SECONDS)


def build_page(predictor: FacialExpressionPredictor, model: str | None = None) -> gr.Blocks:
    """
    Args:
        predictor: answers for all visitors.
        model: folder or Hub id of a model other than the bundled one, to be named on the page.
    """
    predictor = copy.copy(predictor)
    predictor.detector = LargestFaces(predictor.detector)
    evaluation = presentable(load_evaluation(model), predictor.labels, predictor.reliability)
    photos = PhotoHandlers(predictor, coverage_at(evaluation, UNSURE))
    many, videos = ManyPhotosHandlers(predictor), VideoHandlers(predictor)
    name = public_name(model) if model else None
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=DELETE_CACHE) as page:
        html(header_view(evaluation, predictor.reliability), "gf-header")
        html(render("refused"), "gf-refused")
        with gr.Tabs(elem_id="gf-tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab("Photo", id="photo"):
                photo_tab = PhotoTab(photos, predictor.labels)
            with gr.Tab("Live", id="live"):
                live_tab(page, LiveHandlers(predictor))
            with gr.Tab("Video", id="video"):
                video_tab(videos, predictor.labels)
            with gr.Tab("Many photos", id="many"):
                many_tab(many, tabs, photo_tab)
            with gr.Tab("About", id="about"):
                about_tab(evaluation, predictor.labels, name)
        html(render("foot"), "gf-foot")
        add_endpoints(photos, many, videos, evaluation, photo_tab.photo)
    return page.queue(max_size=QUEUE_SIZE, api_open=False)


def presentable(
    evaluation: dict[str, Any], labels: tuple[str, ...], reliability: Reliability | None = None
) -> dict[str, Any]:
    """An evaluation that the page can show; {} for one of another shape, as strangers' checkpoints may have."""
    try:
        about_view(evaluation, labels, None)
        coverage_at(evaluation, UNSURE)
        header_view(evaluation, reliability)
        measured_figures(evaluation)()
    except Exception:  # of whatever stands in the places of figures
        logger.warning("the evaluation of this model has another shape than train/evaluate.py writes: not shown")
        return {}
    return evaluation


def header_view(evaluation: dict[str, Any], reliability: Reliability | None) -> str:
    """The title, and, where it is known how often answers are right, how certain they have to be."""
    coverage = coverage_by_strictness(evaluation, reliability)
    words = {least: strictness_sentence(coverage.get(least)) for least in range(LEAST_ASKED + 1, 100)}
    strictness = {"least": LEAST_ASKED, "all": EVERY_ANSWER, "words": words}
    return render("header", strictness=None if reliability is None else strictness)


def public_name(model: str | None) -> str:
    """
    A Hub id as it is; of a folder only its name, as visitors need not know where it lies on the server. None is the
    bundled checkpoint.
    """
    model = str(BUNDLED_CHECKPOINT if model is None else model)
    return Path(model).resolve().name if Path(model).exists() else model
