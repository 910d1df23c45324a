"""A model that runs in milliseconds, and a page that serves it."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from grefel_hf import GReFELConfig

LABELS = ["neutral", "happiness", "surprise"]


def tiny_config(**overrides) -> GReFELConfig:
    """A GReFEL that runs in milliseconds: 64-pixel crops, maps of 8, 4 and 2 cells, width 32, 0.1 M parameters."""
    settings = dict(
        image_size=64,
        image_backbone_size=64,
        landmark_backbone_size=32,
        mobilefacenet_channels=(8, 16, 32),
        mobilefacenet_depths=(2, 2, 1),
        fusion_channels=(8, 16, 24),
        window_sizes=(8, 4, 2),
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=4,
        classifier_hidden_size=16,
        num_anchors=3,
        correction_size=16,
        correction_num_heads=2,
        id2label=dict(enumerate(LABELS)),
        label2id={name: i for i, name in enumerate(LABELS)},
    )
    return GReFELConfig(**{**settings, **overrides})


@dataclass(frozen=True)
class TinyApp:
    """A running app on a tiny model, without the Hub and with the detector that needs no file."""

    url: str
    log: Path
    model: Path
    temporary: Path  # where it may leave files

    def upload(self, file: Path) -> str:
        """The server's path of an uploaded file."""
        with file.open("rb") as content:
            answer = httpx.post(f"{self.url}gradio_api/upload", files={"files": (file.name, content)}, timeout=120)
        return answer.json()[0]


# What marks a file in the data of a call.
FILE_DATA = {"meta": {"_type": "gradio.FileData"}}


def tiny_endpoint(app: TinyApp, name: str, data: list) -> tuple[str, str]:
    """The last event ("complete" or "error") and its data from an endpoint that is called by plain HTTP."""
    call = httpx.post(f"{app.url}gradio_api/call/{name}", json={"data": data}, timeout=120)
    if call.status_code != 200:
        return "error", call.text
    answer = httpx.get(f"{app.url}gradio_api/call/{name}/{call.json()['event_id']}", timeout=120).text
    event, _, content = answer.rpartition("event: ")[2].partition("\n")
    return event.strip(), content
