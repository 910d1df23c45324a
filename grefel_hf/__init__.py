"""
GReFEL for the Hugging Face world: facial expression recognition with reliability balancing.

Importing the package registers its classes, so that `AutoModel`, `AutoModelForImageClassification`,
`AutoImageProcessor`, `pipeline("image-classification")` for face crops and
`pipeline("facial-expression-recognition")` for photos load its checkpoints without `trust_remote_code`. transformers
takes classes only, not their names, so the network is imported at once; the rest when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageClassification
from transformers.pipelines import PIPELINE_REGISTRY

from .model.configuration_grefel import GReFELConfig
from .model.image_processing_grefel import GReFELImageProcessor, GReFELImageProcessorTorchvision
from .model.modeling_grefel import (
    GReFELForImageClassification,
    GReFELImageClassifierOutput,
    GReFELModel,
    GReFELModelOutput,
    GReFELPreTrainedModel,
)
from .pipeline_grefel import TASK, FacialExpressionPipeline
from .version import __version__

if TYPE_CHECKING:
    from .faces.face import DetectorUnavailableError
    from .faces.photos import PhotoError
    from .predictor import FacialExpressionPredictor, PhotoFailure
    from .results import FacePrediction, PhotoPrediction, faces_table

AutoConfig.register("grefel", GReFELConfig, exist_ok=True)
AutoModel.register(GReFELConfig, GReFELModel, exist_ok=True)
AutoModelForImageClassification.register(GReFELConfig, GReFELForImageClassification, exist_ok=True)
AutoImageProcessor.register(
    GReFELConfig,
    image_processor_classes={"pil": GReFELImageProcessor, "torchvision": GReFELImageProcessorTorchvision},
    exist_ok=True,
)
PIPELINE_REGISTRY.register_pipeline(
    TASK, pipeline_class=FacialExpressionPipeline, pt_model=AutoModelForImageClassification, type="image"
)

_MODULES = {
    "DetectorUnavailableError": ".faces.face",
    "FacePrediction": ".results",
    "FacialExpressionPredictor": ".predictor",
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
