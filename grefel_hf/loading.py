"""Loading a checkpoint with the check that it is GReFEL's, and the digest of what was loaded."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from PIL import Image
from transformers.utils import logging as transformers_logging

from .checkpoint import BUNDLED_CHECKPOINT, checked_name  # noqa: F401
from .files import read_json
from .hub import CONFIG_FILE, PROCESSOR_FILE, WEIGHTS_FILE, WEIGHTS_INDEX, checkpoint_folder, weight_files
from .model.configuration_grefel import GReFELConfig
from .model.image_processing_grefel import GReFELImageProcessor
from .model.modeling_grefel import GReFELForImageClassification

PLACE = ("revision", "subfolder", "token", "cache_dir", "local_files_only")  # of `checkpoint_folder`
LONGEST_REASON = 300  # characters of an error that is passed on
MOST_BYTES = 1_000_000  # of a configuration, a list of weights in several files, or the list at the head of one


def load_checkpoint(
    name: str | Path | None = None, **kwargs: Any
) -> tuple[GReFELForImageClassification, GReFELImageProcessor]:
    """
    The model of a checkpoint as `load_model` gives it, and its image processor.

    Raises:
        ValueError: as `load_model`, or the processor does not make what the model takes.
    """
    model = load_model(name, **kwargs)
    place = {key: kwargs[key] for key in PLACE if key in kwargs} | {"local_files_only": True}  # as it is there now
    folder = checkpoint_folder(checked_name(name), **place)
    with _one_sentence(checked_name(name)):
        if (folder / PROCESSOR_FILE).is_file():
            read_json(folder / PROCESSOR_FILE, MOST_BYTES)
        processor = GReFELImageProcessor.from_pretrained(folder, local_files_only=True)
        _check_processor(processor, model.config)
        _check_answer(model, processor)
    return model, processor


def load_model(name: str | Path | None = None, **kwargs: Any) -> GReFELForImageClassification:
    """
    The model of a checkpoint, in eval mode, on the CPU. All that it needs is in the file: nothing is made up.

    Args:
        name: a folder or a Hub id; None for the checkpoint that comes with the package.
        kwargs: what `checkpoint_folder` takes, `revision` for one, `dtype`, and whatever else `from_pretrained` of
            transformers takes.

    Raises:
        OSError: the folder or repository does not exist or cannot be read.
        ValueError: it holds another model than GReFEL, an impossible configuration, or weights that are missing, that
            the model has no place for, or that are infinite or no numbers.
    """
    name = checked_name(name)
    folder = checkpoint_folder(name, **{key: kwargs.pop(key) for key in PLACE if key in kwargs})
    with _one_sentence(name):
        config = _read_config(name, folder)
        _check_allocation(config, folder)
        # Mismatches come as a list, without torch's text, where they are let through; and no pickle is opened.
        settings = {"use_safetensors": True, "ignore_mismatched_sizes": True, "local_files_only": True}
        with _without_load_report(), without_progress_bar():
            model, info = GReFELForImageClassification.from_pretrained(
                folder, config=config, output_loading_info=True, **settings, **kwargs
            )
        _check_tensors(model, info)
    model.config._name_or_path = model.name_or_path = name
    return model.eval()


@contextmanager
def without_progress_bar() -> Iterator[None]:
    """transformers shows one for the weights of every model, which here are read in a moment."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Whatever transformers, safetensors, torch or json raise about a checkpoint becomes a ValueError of one line."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        # The dataclasses of huggingface_hub put what is wrong in the last line, under one that says where.
        text = ": ".join(lines) if isinstance(error, StrictDataclassError) else "".join(lines[:1])
        raise ValueError(f"{name} cannot be loaded: {(text or type(error).__name__)[:LONGEST_REASON]}") from error


@contextmanager
def _without_load_report() -> Iterator[None]:
    """transformers prints a table of what does not fit, of which an error is made here."""

    def is_error(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

    logger = logging.getLogger("transformers.modeling_utils")
    logger.addFilter(is_error)  # not its level, by which it decides what else to print
    try:
        yield
    finally:
        logger.removeFilter(is_error)


def _read_config(name: str, folder: Path) -> GReFELConfig:
    if not (folder / CONFIG_FILE).is_file():
        hint = f" Did you mean {Path(name) / 'best'}?" if (folder / "best" / CONFIG_FILE).is_file() else ""
        raise FileNotFoundError(f"{name} holds no model: it has no {CONFIG_FILE}.{hint}")
    try:
        entries = read_json(folder / CONFIG_FILE, MOST_BYTES)
    except ValueError as error:
        raise ValueError(f"its {CONFIG_FILE} is damaged ({error}).") from error
    model_type = entries.get("model_type") if isinstance(entries, dict) else None
    if model_type != GReFELConfig.model_type:
        raise ValueError(f"it holds a {model_type} model; GReFEL needs model_type {GReFELConfig.model_type}.")
    if "quantization_config" in entries:
        raise ValueError("its weights are quantised in a way that GReFEL has no use for.")
    # What computes attention is not the checkpoint's choice: it may be code from the Hub.
    entries = {name: value for name, value in entries.items() if not name.endswith(("_implementation", "_internal"))}
    # Not AutoConfig, which asks on the terminal whether to run code that a configuration names.
    return GReFELConfig.from_dict(entries)


def _check_allocation(config: GReFELConfig, folder: Path):
    """A model takes no more memory than its weights on disk account for: a byte a parameter at least."""
    files = list(folder.glob("*.safetensors"))
    size = sum(file.stat().st_size for file in files)
    if not size:
        raise FileNotFoundError(f"{folder} has no {WEIGHTS_FILE}.")
    for file in files:
        with file.open("rb") as content:
            if int.from_bytes(content.read(8), "little") > MOST_BYTES:
                raise ValueError(f"the list of tensors in {file.name} has more than {MOST_BYTES // 1_000_000} MB.")
    if not (folder / WEIGHTS_FILE).is_file() and (folder / WEIGHTS_INDEX).is_file():
        weight_files(read_json(folder / WEIGHTS_INDEX, MOST_BYTES))
    with torch.device("meta"):
        parameters = sum(tensor.numel() for tensor in GReFELForImageClassification(config).state_dict().values())
    if parameters > size:
        raise ValueError(f"its configuration asks for {parameters} weights, and its file has {size} bytes.")


def _check_tensors(model: GReFELForImageClassification, info: dict[str, Any]):
    for kind, says in (
        ("missing_keys", "lack"),
        ("unexpected_keys", "hold what the model has no place for,"),
        ("mismatched_keys", "have another shape than the model in"),
    ):
        names = sorted(key if isinstance(key, str) else key[0] for key in info[kind])
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ValueError(f"its weights {says} {names[0]}{more}.")
    for key, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"its weights hold values in {key} that are infinite or no numbers.")


def _check_processor(processor: GReFELImageProcessor, config: GReFELConfig):
    """Before it touches an image: a size of 30,000 would fill the memory."""
    size = processor.size
    if getattr(processor, "do_center_crop", None) or getattr(processor, "do_pad", None):
        raise ValueError("its image processor crops or pads, which GReFEL has no use for.")
    if not processor.do_resize or (size.get("height"), size.get("width")) != (config.image_size, config.image_size):
        raise ValueError(f"its image processor makes {dict(size)}, and the model takes a side of {config.image_size}.")


def _check_answer(model: GReFELForImageClassification, processor: GReFELImageProcessor):
    """
    One grey image from end to end, for what no list of entries foresees: a deviation of 0 in the processor, a negative
    variance in a batch norm, weights that are finite and overflow.
    """
    grey = Image.new("RGB", (32, 32), (128, 128, 128))
    pixel_values = processor(grey, return_tensors="pt")["pixel_values"]
    if not pixel_values.isfinite().all():
        raise ValueError("its image processor gives pixels that are infinite or no numbers (image_mean, image_std).")
    with torch.inference_mode():
        answer = model(pixel_values=pixel_values)
    if not (answer.logits.isfinite().all() and answer.primary_logits.isfinite().all()):
        raise ValueError("its answer to a grey image is no distribution: weights are damaged.")


def tensors_digest(model: GReFELForImageClassification) -> str:
    """sha256 of all parameters and buffers with their names, as float32; not that of a file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
