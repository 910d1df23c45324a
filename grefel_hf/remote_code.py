"""Checkpoints that carry their own code, for loading with `trust_remote_code=True` where the package is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .model.configuration_grefel import GReFELConfig
from .model.image_processing_grefel import GReFELImageProcessor
from .model.modeling_grefel import GReFELForImageClassification, GReFELModel


def save_with_code(model: GReFELForImageClassification, processor: GReFELImageProcessor, folder: str | Path):
    """
    Save weights, config and processor with copies of the modules that define them.

    AutoConfig, AutoModel, AutoModelForImageClassification, AutoImageProcessor and pipelines then load the folder,
    or a Hub repository with its files, by `trust_remote_code=True`.
    """
    with _registered_for_auto_classes(), _auto_map(model.config):
        model.save_pretrained(folder)
        processor.save_pretrained(folder)


@contextmanager
def _registered_for_auto_classes() -> Iterator[None]:
    """transformers copies a class's module when the class is registered; only for this one call."""
    registrations = {
        GReFELConfig: "AutoConfig",
        GReFELModel: "AutoModel",
        GReFELForImageClassification: "AutoModelForImageClassification",
        GReFELImageProcessor: "AutoImageProcessor",
    }
    for cls, auto_class in registrations.items():
        cls.register_for_auto_class(auto_class)
    try:
        yield
    finally:
        for cls in registrations:
            cls._auto_class = None


@contextmanager
def _auto_map(config: GReFELConfig) -> Iterator[None]:
    """Saving the classifier records that class alone; AutoModel must find the encoder too."""
    config.auto_map = {"AutoModel": "modeling_grefel.GReFELModel"}
    try:
        yield
    finally:
        del config.auto_map
