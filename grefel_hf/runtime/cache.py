"""Exported graphs in the user's cache, so that a model is exported once and not at every start."""

import contextlib
import hashlib
from pathlib import Path

import torch
from huggingface_hub import constants

from ..files import whole_file
from ..loading import tensors_digest
from ..model.modeling_grefel import GReFELForImageClassification
from ..onnx_session import import_onnxruntime
from ..version import __version__
from .onnx_network import GraphMismatchError, OnnxNetwork, check_graph, import_onnx_packages, onnx_graph

KEPT_GRAPHS = 8  # the least recently written go
DIGEST_SIZE = hashlib.sha256().digest_size


def cached_network(model: GReFELForImageClassification) -> OnnxNetwork:
    """
    A network for the model from a graph in the cache, which is checked, or else from a new export, which is kept.

    Raises:
        OnnxUnavailableError: a package is missing.
        GraphMismatchError: the export does not compute what the model does.
    """
    import_onnxruntime()
    file = graph_file(model)
    # Whatever is wrong with the file (absent, damaged, of other code), the answer is to make it again.
    with contextlib.suppress(OSError, ValueError, GraphMismatchError):
        network = OnnxNetwork(read(file))
        check_graph(network, model)
        return network
    import_onnx_packages()
    graph = onnx_graph(model)
    network = OnnxNetwork(graph)
    check_graph(network, model)
    with contextlib.suppress(OSError):  # no cache is no reason to fail
        store(graph, file)
    return network


def cache_folder() -> Path:
    """A folder in the Hub's cache for files that libraries make."""
    return Path(constants.HF_ASSETS_CACHE) / "grefel_hf" / "onnx"


def graph_file(model: GReFELForImageClassification) -> Path:
    """Where the graph of these weights and settings belongs."""
    key = hashlib.sha256(f"{__version__} {torch.__version__} {tensors_digest(model)}".encode())
    key.update(model.config.to_json_string().encode())
    return cache_folder() / f"{key.hexdigest()}.graph"


def read(file: Path) -> bytes:
    """
    A graph that `store` wrote.

    Raises:
        OSError: there is none.
        ValueError: the file is damaged. Zeros for weights would pass for a graph, and near enough for a small check.
    """
    content = file.read_bytes()
    digest, graph = content[:DIGEST_SIZE], content[DIGEST_SIZE:]
    if hashlib.sha256(graph).digest() != digest:
        raise ValueError(f"{file} is damaged")
    return graph


def store(graph: bytes, file: Path):
    """Write a graph after its digest, whole or not at all whoever else does, and delete the oldest of too many."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as partial:
        partial.write_bytes(hashlib.sha256(graph).digest() + graph)
    by_age = sorted(file.parent.glob("*.graph"), key=lambda other: other.stat().st_mtime)
    for old in by_age[:-KEPT_GRAPHS]:
        old.unlink(missing_ok=True)
