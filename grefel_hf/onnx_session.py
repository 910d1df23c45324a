"""ONNX Runtime on the CPU, for whatever runs a graph: the network, or the face detector."""

import os
import sys
from pathlib import Path

INSTALL = "pip install onnx onnxruntime"


class OnnxUnavailableError(RuntimeError):
    """A package that is missing; the message says how to get it."""


def cpu_session(graph: bytes | str | Path, threads: int | None = None, spinning: bool = False):
    """
    A session of ONNX Runtime on the CPU; safe to call from several threads.

    Args:
        threads: of one run; by default as many as PyTorch has.
        spinning: threads wait busily for the next operation of a run, which is a quarter faster at batch 1 than waking
            them, but takes the cores from others; never for the next run.

    Raises:
        OnnxUnavailableError: onnxruntime is not installed.
        ValueError: ONNX Runtime cannot read the graph.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or num_threads()
    options.log_severity_level = 3  # errors
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    source = graph if isinstance(graph, bytes) else str(graph)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a type for each kind of damage
        raise ValueError(f"ONNX Runtime cannot read {graph_name(graph)}: {_first_line(error)}") from error


def num_threads() -> int:
    """PyTorch's, where it is imported; else what it would start with: OMP_NUM_THREADS, or the cores."""
    if torch := sys.modules.get("torch"):
        return torch.get_num_threads()
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else os.cpu_count() or 1


def import_onnxruntime():
    try:
        import onnxruntime
    except ImportError as error:
        raise OnnxUnavailableError(f"ONNX Runtime cannot be loaded ({error}): {INSTALL}") from error
    return onnxruntime


def graph_name(graph: bytes | str | Path) -> str:
    return "the graph" if isinstance(graph, bytes) else str(graph)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
