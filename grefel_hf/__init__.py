"""
GReFEL for the Hugging Face world: facial expression recognition with reliability balancing.

Importing the package registers its classes, so that `AutoModel`, `AutoModelForImageClassification`,
`AutoImageProcessor`, `pipeline("image-classification")` for face crops and
`pipeline("facial-expression-recognition")` for photos load its checkpoints without `trust_remote_code`. It imports
neither transformers nor PyTorch: its names come when they are asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .registration import register_when_needed
from .version import __version__

if TYPE_CHECKING:
    from .faces.face import DetectorUnavailableError
    from .faces.photos import PhotoError
    from .model.configuration_grefel import GReFELConfig
    from .model.image_processing_grefel import GReFELImageProcessor, GReFELImageProcessorTorchvision
    from .model.modeling_grefel import (
        GReFELForImageClassification,
        GReFELImageClassifierOutput,
        GReFELModel,
        GReFELModelOutput,
        GReFELPreTrainedModel,
    )
    from .pipeline_grefel import FacialExpressionPipeline
    from .predictor import FacialExpressionPredictor, PhotoFailure
    from .results import FacePrediction, PhotoPrediction, faces_table

_MODULES = {
    "DetectorUnavailableError": ".faces.face",
    "FacePrediction": ".results",
    "FacialExpressionPipeline": ".pipeline_grefel",
    "FacialExpressionPredictor": ".predictor",
    "GReFELConfig": ".model.configuration_grefel",
    "GReFELForImageClassification": ".model.modeling_grefel",
    "GReFELImageClassifierOutput": ".model.modeling_grefel",
    "GReFELImageProcessor": ".model.image_processing_grefel",
    "GReFELImageProcessorTorchvision": ".model.image_processing_grefel",
    "GReFELModel": ".model.modeling_grefel",
    "GReFELModelOutput": ".model.modeling_grefel",
    "GReFELPreTrainedModel": ".model.modeling_grefel",
    "PhotoError": ".faces.photos",
    "PhotoFailure": ".predictor",
    "PhotoPrediction": ".results",
    "faces_table": ".results",
}

__all__ = [
    "DetectorUnavailableError",
    "FacePrediction",
    "FacialExpressionPipeline",
    "FacialExpressionPredictor",
    "GReFELConfig",
    "GReFELForImageClassification",
    "GReFELImageClassifierOutput",
    "GReFELImageProcessor",
    "GReFELImageProcessorTorchvision",
    "GReFELModel",
    "GReFELModelOutput",
    "GReFELPreTrainedModel",
    "PhotoError",
    "PhotoFailure",
    "PhotoPrediction",
    "__version__",
    "faces_table",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_MODULES[name], __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_when_needed()
