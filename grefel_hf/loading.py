"""Checkpoints: where the bundled one lies, loading one with the check that it is GReFEL's, and digests of them."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import AutoConfig
from transformers.utils import cached_file, logging

from .files import file_digest
from .model.configuration_grefel import GReFELConfig
from .model.image_processing_grefel import GReFELImageProcessor
from .model.modeling_grefel import GReFELForImageClassification

BUNDLED_CHECKPOINT = Path(__file__).parent / "checkpoints" / "grefel-small"
WEIGHTS_FILE = "model.safetensors"


def load_checkpoint(
    name: str | Path | None = None, **kwargs: Any
) -> tuple[GReFELForImageClassification, GReFELImageProcessor]:
    """The model of a checkpoint as `load_model` gives it, and its image processor."""
    model = load_model(name, **kwargs)
    kwargs.pop("dtype", None)
    return model, GReFELImageProcessor.from_pretrained(checked_name(name), **kwargs)


def load_model(name: str | Path | None = None, **kwargs: Any) -> GReFELForImageClassification:
    """
    The model of a checkpoint, in eval mode, on the CPU.

    Args:
        name: a folder or a Hub id; None for the checkpoint that comes with the package.
        kwargs: `revision`, `dtype` and whatever else `from_pretrained` of transformers takes.

    Raises:
        OSError: the folder or repository does not exist or cannot be read.
        ValueError: it holds another model than GReFEL.
    """
    name = checked_name(name)
    model_type = AutoConfig.from_pretrained(name, **{k: v for k, v in kwargs.items() if k != "dtype"}).model_type
    if model_type != GReFELConfig.model_type:
        raise ValueError(f"{name} holds a {model_type} model; GReFEL needs model_type {GReFELConfig.model_type}.")
    with without_progress_bar():
        return GReFELForImageClassification.from_pretrained(name, **kwargs).eval()


@contextmanager
def without_progress_bar() -> Iterator[None]:
    """transformers shows one for the weights of every model, which here are read in a moment."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def checked_name(name: str | Path | None) -> str:
    """The name as text; raises FileNotFoundError for the path of a folder that does not exist."""
    text = str(BUNDLED_CHECKPOINT if name is None else name)
    if not Path(text).is_dir() and (name is None or text.startswith((".", "/", "~")) or text.count("/") > 1):
        raise FileNotFoundError(f"The model folder {text} does not exist (and that is no Hub id, user/name).")
    return text


def weights_file_digest(folder: str | Path) -> str | None:
    """sha256 of a folder's weights, which ties figures to what they were measured on; None where there are none."""
    weights = Path(folder) / WEIGHTS_FILE
    return file_digest(weights) if weights.exists() else None


def checkpoint_digest(name: str | Path) -> str:
    """sha256 of what a folder or Hub id predicts with: config, processor, weights. Raises OSError without them."""
    names = ("config.json", "preprocessor_config.json", WEIGHTS_FILE)
    return file_digest(*(cached_file(str(name), file) for file in names))


def tensors_digest(model: GReFELForImageClassification) -> str:
    """sha256 of all parameters and buffers with their names, as float32; not that of a file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
