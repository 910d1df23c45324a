"""An ONNX graph of GReFEL as a network for the predictor; nothing here needs PyTorch."""

from pathlib import Path

import numpy as np

from ..onnx_session import cpu_session, graph_name

INPUT = "pixel_values"
# What a file says of the model that it was exported from: the digests of its tensors and of its checkpoint.
WEIGHTS_KEY = "grefel_weights_sha256"
CHECKPOINT_KEY = "grefel_checkpoint_sha256"


class GraphMismatchError(RuntimeError):
    """An ONNX graph that does not compute what the model does."""


class OnnxNetwork:
    """
    A graph made by `onnx_graph`, run by ONNX Runtime on the CPU; safe to call from several threads.

    Args:
        graph: the graph itself, or its file.

    Raises:
        OnnxUnavailableError: onnxruntime is not installed.
        ValueError: ONNX Runtime cannot read the graph, or its input is another.
    """

    def __init__(self, graph: bytes | str | Path):
        self._session = cpu_session(graph, spinning=True)
        if [value.name for value in self._session.get_inputs()] != [INPUT]:
            raise ValueError(f"{graph_name(graph)} is no graph of a GReFEL model: its input is not {INPUT}")
        self.fields = [value.name for value in self._session.get_outputs()]

    @property
    def weights_sha256(self) -> str | None:
        """What `tensors_digest` gave for the model that a file was exported from."""
        return self._noted(WEIGHTS_KEY)

    @property
    def checkpoint_sha256(self) -> str | None:
        """What `checkpoint_digest` gave for its checkpoint."""
        return self._noted(CHECKPOINT_KEY)

    def _noted(self, key: str) -> str | None:
        return self._session.get_modelmeta().custom_metadata_map.get(key)

    def __call__(self, pixel_values: np.ndarray) -> dict[str, np.ndarray]:
        """Pixel values (B, 3, S, S) float32 to all output fields, batch first."""
        return dict(zip(self.fields, self._session.run(None, {INPUT: pixel_values})))
