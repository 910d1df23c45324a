"""What programs can call, by HTTP, gradio_client or MCP: named, typed, with labelled outputs and descriptions."""

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from grefel_hf.results import ANSWERS

from .archives import too_many
from .limits import MAX_PHOTOS, MODEL, VIDEO
from .links import bounded
from .measured import figure
from .tabs.many.handlers import ManyPhotosHandlers
from .tabs.photo.handlers import PhotoHandlers
from .tabs.video.handlers import MAX_SMOOTHING, SMOOTHING, VideoHandlers

FIGURES = ("accuracy", "macro_recall", "expected_calibration_error", "samples", "recall_by_class", "intervals")


def add_endpoints(
    photos: PhotoHandlers, many: ManyPhotosHandlers, videos: VideoHandlers, evaluation: dict[str, Any], photo: gr.Image
) -> None:
    """Make the endpoints inside the Blocks context that is open. `photo` is the page's own input."""
    with gr.Row(visible=False):
        clip = bounded(gr.Video(label="Video"))
        smoothing = gr.Slider(0, MAX_SMOOTHING, SMOOTHING, label="Smoothing, in seconds")
        _endpoint(photos.predict, [photo], [gr.JSON(label="Prediction")])
        _endpoint(photos.compare, [photo], [gr.JSON(label="Comparison")])
        _endpoint(photos.occlusion, [photo], [gr.JSON(label="Occlusions")])
        several = bounded(gr.File(label="Photos", file_count="multiple", file_types=["image"]))
        schema = inlined(several.api_info())
        several.api_info = lambda: schema  # MCP clients look for definitions at the root, where Gradio leaves none
        outputs = [gr.JSON(label="Photos"), gr.Textbox(label="CSV"), gr.JSON(label="Not read")]
        _endpoint(many.many_photos, [several], outputs)
        outputs = [gr.JSON(label="Persons"), gr.Textbox(label="CSV"), gr.File(label="Annotated video")]
        _endpoint(videos.video, [clip, smoothing], outputs, **VIDEO)
        _endpoint(measured_figures(evaluation), [], [gr.JSON(label="Figures")], **{"queue": False})


def measured_figures(evaluation: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """The endpoint that says how good the model is."""

    def figures() -> dict[str, Any]:
        """
        How good the model is: what was measured on validation data, with and without reliability balancing. For one
        who asks how far the answers can be relied on.

        Returns:
            The data set, and for primary (without balancing) and corrected (with it) accuracy, macro_recall,
            expected_calibration_error, samples and recall_by_class; empty where nothing was measured.
        """
        parts = {name: figure(evaluation, "plain", name) or {} for name in ANSWERS}
        return {
            "measured_on": {key: evaluation.get(key) for key in ("dataset", "split", "protocol")},
            **{name: {key: part[key] for key in FIGURES if key in part} for name, part in parts.items()},
        }

    return figures


def mend_mcp_lists(page: gr.Blocks) -> None:
    """Of a page that was just launched: data URIs in lists become files, too; Gradio looks for them at "items"."""
    server = page.mcp_server_obj
    convert = server.convert_strings_to_filedata

    def convert_lists(arguments: dict[str, Any], positions: list[list[str | int]]) -> Any:
        in_lists = [
            [name, index]
            for name, *rest in positions
            if rest == ["items"] and isinstance(arguments.get(name), list)
            for index in range(len(arguments[name]))
        ]
        if len(in_lists) > MAX_PHOTOS:  # each would become a file before it is counted
            raise too_many(len(in_lists))
        return convert(arguments, positions + in_lists)

    server.convert_strings_to_filedata = convert_lists


def inlined(schema: Any, definitions: dict[str, Any] | None = None) -> Any:
    """A JSON schema with what its references mean in their places."""
    if isinstance(schema, list):
        return [inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    definitions = schema.get("$defs", definitions)
    meant = (definitions or {}).get(str(schema.get("$ref", "")).rpartition("/")[2], {})
    parts = {**meant, **schema}
    return {name: inlined(part, definitions) for name, part in parts.items() if name not in ("$defs", "$ref")}


def description(function: Callable) -> str:
    """A docstring without its Args, one paragraph per section: what help pages and assistants are shown."""
    text = re.sub(r"\n\s*Args:.*?(?=\n\s*Returns:|\Z)", "", inspect.getdoc(function), flags=re.DOTALL)
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n\n".join(" ".join(line.strip() for line in paragraph.splitlines()) for paragraph in paragraphs).strip()


def _endpoint(function: Callable, inputs: Sequence[Component], outputs: Sequence[Component], **options: Any) -> None:
    gr.Button().click(
        function,
        list(inputs),
        list(outputs),
        api_name=function.__name__,
        api_description=description(function),
        preprocess=False,
        **(options or MODEL),
    )
