"""
The network in the tables of transformers' Auto classes and pipelines, once these are there and not before.

`register` takes classes, not their names, and ours take transformers and PyTorch with them: seconds that a program
need not wait for that runs an exported graph or prints its help. So the registration waits for each table's module. It
is made when no module of transformers is under way any more, as some import those of the tables before they are done.
"""

import sys
import threading
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec


def register_when_needed():
    """Register with the tables that are imported already, and with each of the others when it is."""
    sys.meta_path.insert(0, (registrar := _Registrar()))
    registrar.register()


class _Registrar(MetaPathFinder):
    """Finds no module itself: notes when those of transformers and of this package begin and end."""

    def __init__(self):
        self._waiting: dict[str, Callable[[], None]] = {
            "transformers.models.auto.configuration_auto": _register_config,
            "transformers.models.auto.modeling_auto": _register_models,
            "transformers.models.auto.image_processing_auto": _register_image_processors,
            "transformers.pipelines": _register_pipeline,
        }
        self._thread = threading.local()

    def find_spec(self, name: str, path=None, target=None) -> ModuleSpec | None:
        if name.partition(".")[0] not in ("transformers", __package__):
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, others), None)
        if spec and spec.loader:
            spec.loader.exec_module = self._noting(spec.loader.exec_module)
        return spec

    def _noting(self, execute: Callable) -> Callable:
        def execute_and_register(module):
            under_way = getattr(self._thread, "under_way", 0)
            self._thread.under_way = under_way + 1
            try:
                execute(module)
            finally:
                self._thread.under_way = under_way
            if not under_way:
                self.register()

        return execute_and_register

    def register(self):
        for table in [name for name in self._waiting if name in sys.modules]:
            if registration := self._waiting.pop(table, None):  # one registration may import the next table
                registration()
        if not self._waiting and self in sys.meta_path:
            sys.meta_path.remove(self)


def _register_config():
    from transformers import AutoConfig

    from .model.configuration_grefel import GReFELConfig

    AutoConfig.register("grefel", GReFELConfig, exist_ok=True)


def _register_models():
    from transformers import AutoModel, AutoModelForImageClassification

    from .model.modeling_grefel import GReFELConfig, GReFELForImageClassification, GReFELModel

    AutoModel.register(GReFELConfig, GReFELModel, exist_ok=True)
    AutoModelForImageClassification.register(GReFELConfig, GReFELForImageClassification, exist_ok=True)


def _register_image_processors():
    from transformers import AutoImageProcessor

    from .model.configuration_grefel import GReFELConfig
    from .model.image_processing_grefel import GReFELImageProcessor, GReFELImageProcessorTorchvision

    classes = {"pil": GReFELImageProcessor, "torchvision": GReFELImageProcessorTorchvision}
    AutoImageProcessor.register(GReFELConfig, image_processor_classes=classes, exist_ok=True)


def _register_pipeline():
    from transformers import AutoModelForImageClassification
    from transformers.pipelines import PIPELINE_REGISTRY

    from .pipeline_grefel import TASK, FacialExpressionPipeline

    PIPELINE_REGISTRY.register_pipeline(
        TASK, pipeline_class=FacialExpressionPipeline, pt_model=AutoModelForImageClassification, type="image"
    )
