"""8-bit versions of ONNX graphs."""

import logging
import tempfile
from pathlib import Path

import numpy as np

from .onnx_network import INPUT

# Convolutions and linear layers of the encoder; balancing (distances, entropies) and the heads stay in float.
QUANTIZED_OPERATIONS = ("Conv", "Gemm", "MatMul")
QUANTIZED_PART = "/model/grefel/"
# The first layers, those between backbone and fusion, products of attention and the gate stay, too: they lose the most
# accuracy and take little time. So does all that landmarks come from, whose head multiplies what 8 bits round away.
FLOAT_PARTS = ("landmark_", "stem", "image_projections", "downsamples", "attention/MatMul", "gate")


def quantize(graph: bytes, batches: list[np.ndarray]) -> bytes:
    """
    Quantise a graph made by `onnx_graph(model, split=False)`: weights per output channel, activations by the range
    that they take on the calibration batches.

    Args:
        batches: pixel values (B, 3, S, S) of faces.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Batches(CalibrationDataReader):
        def __init__(self):
            self.left = iter(batches)

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.left, None)
            return None if batch is None else {INPUT: batch}

    model = onnx.load_from_string(graph)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "int8.onnx"
        logging.disable(logging.WARNING)  # its advice to fold batch norms before, which the export has done
        try:
            quantize_static(
                model,
                file,
                Batches(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(QUANTIZED_OPERATIONS),
                nodes_to_exclude=[node.name for node in model.graph.node if not _quantized(node.name)],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            logging.disable(logging.NOTSET)
        return file.read_bytes()


def _quantized(name: str) -> bool:
    return name.startswith(QUANTIZED_PART) and not any(part in name for part in FLOAT_PARTS)
