"""
GReFEL for the Hugging Face world: facial expression recognition with reliability balancing.

Importing the package registers its classes, so that `AutoModel`, `AutoModelForImageClassification`,
`AutoImageProcessor`, `pipeline("image-classification")` for face crops and
`pipeline("facial-expression-recognition")` for photos load its checkpoints without `trust_remote_code`.
"""

from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageClassification
from transformers.pipelines import PIPELINE_REGISTRY

from .faces.detection import DetectorUnavailableError
from .faces.photos import PhotoError
from .model.configuration_grefel import GReFELConfig
from .model.image_processing_grefel import GReFELImageProcessor
from .model.modeling_grefel import (
    GReFELForImageClassification,
    GReFELImageClassifierOutput,
    GReFELModel,
    GReFELModelOutput,
    GReFELPreTrainedModel,
)
from .pipeline_grefel import TASK, FacialExpressionPipeline
from .predictor import FacialExpressionPredictor, PhotoFailure
from .results import FacePrediction, PhotoPrediction, faces_table
from .version import __version__

AutoConfig.register("grefel", GReFELConfig, exist_ok=True)
AutoModel.register(GReFELConfig, GReFELModel, exist_ok=True)
AutoModelForImageClassification.register(GReFELConfig, GReFELForImageClassification, exist_ok=True)
AutoImageProcessor.register(GReFELConfig, image_processor_classes={"pil": GReFELImageProcessor}, exist_ok=True)
PIPELINE_REGISTRY.register_pipeline(
    TASK, pipeline_class=FacialExpressionPipeline, pt_model=AutoModelForImageClassification, type="image"
)

__all__ = [
    "DetectorUnavailableError",
    "FacePrediction",
    "FacialExpressionPipeline",
    "FacialExpressionPredictor",
    "GReFELConfig",
    "GReFELForImageClassification",
    "GReFELImageClassifierOutput",
    "GReFELImageProcessor",
    "GReFELModel",
    "GReFELModelOutput",
    "GReFELPreTrainedModel",
    "PhotoError",
    "PhotoFailure",
    "PhotoPrediction",
    "__version__",
    "faces_table",
]
