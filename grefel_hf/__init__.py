"""
GReFEL for the Hugging Face world: facial expression recognition with reliability balancing.

Importing the package registers its classes, so that `AutoModel`, `AutoModelForImageClassification`,
`AutoImageProcessor` and `pipeline("image-classification")` load its checkpoints without `trust_remote_code`.
"""

from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageClassification

from .faces.face import DetectorUnavailableError
from .faces.photos import PhotoError
from .model.configuration_grefel import GReFELConfig
from .model.image_processing_grefel import GReFELImageProcessor
from .model.modeling_grefel import GReFELForImageClassification, GReFELModel
from .predictor import FacialExpressionPredictor, PhotoFailure
from .results import FacePrediction, PhotoPrediction, faces_table
from .version import __version__

AutoConfig.register("grefel", GReFELConfig, exist_ok=True)
AutoModel.register(GReFELConfig, GReFELModel, exist_ok=True)
AutoModelForImageClassification.register(GReFELConfig, GReFELForImageClassification, exist_ok=True)
AutoImageProcessor.register(GReFELConfig, image_processor_classes={"pil": GReFELImageProcessor}, exist_ok=True)

__all__ = [
    "DetectorUnavailableError",
    "FacePrediction",
    "FacialExpressionPredictor",
    "GReFELConfig",
    "GReFELForImageClassification",
    "GReFELImageProcessor",
    "GReFELModel",
    "PhotoError",
    "PhotoFailure",
    "PhotoPrediction",
    "__version__",
    "faces_table",
]
