"""transformers' own tests of models, configurations and image processors, run on ours."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

import torch
from transformers.utils import is_torchvision_available

import grefel_hf
from grefel_hf import (
    GReFELConfig,
    GReFELForImageClassification,
    GReFELImageProcessor,
    GReFELImageProcessorTorchvision,
    GReFELModel,
)
from grefel_hf.model.image_processing_grefel import GReFELImageProcessorKwargs
from tests.helpers.tiny import tiny_config
from tests.helpers.transformers_tests import common_tests, pipeline_tests

modeling, configuration, image_processing = common_tests(
    "test_modeling_common", "test_configuration_common", "test_image_processing_common"
)

MODELS = tempfile.TemporaryDirectory(prefix="grefel-tiny-models-")
PROCESSORS = dict.fromkeys(("GReFELModel", "GReFELForImageClassification"), "GReFELImageProcessor")
PipelineTesterMixin = pipeline_tests(Path(MODELS.name), grefel_hf, PROCESSORS)


class GReFELModelTester:
    """A configuration with under 1 M parameters and inputs for it."""

    is_training = True
    batch_size = 3
    num_hidden_layers = 2
    seq_length = 13  # CLS, and three levels of 2 x 2 cells

    def __init__(self, parent: unittest.TestCase):
        self.parent = parent
        config = self.get_config()
        self.hidden_size, self.num_attention_heads = config.hidden_size, config.num_attention_heads
        self.num_labels = config.num_labels

    def get_config(self) -> GReFELConfig:
        return tiny_config(mobilefacenet_depths=(1, 1, 1), layer_scale_init_value=1.0)

    def prepare_config_and_inputs_for_common(self) -> tuple[GReFELConfig, dict[str, torch.Tensor]]:
        config = self.get_config()
        return config, {"pixel_values": torch.rand(self.batch_size, 3, config.image_size, config.image_size)}


class GReFELModelTest(modeling.ModelTesterMixin, unittest.TestCase):
    all_model_classes = (GReFELModel, GReFELForImageClassification)
    test_resize_embeddings = False  # there is no table that tokens are looked up in

    def setUp(self):
        self.model_tester = GReFELModelTester(self)
        self.config_tester = configuration.ConfigTester(self, config_class=GReFELConfig, has_text_modality=False)
        # The tests read transformers' own tables to know which class takes labels and which has no loss.
        for table, name in (
            (modeling.MODEL_MAPPING_NAMES, "GReFELModel"),
            (modeling.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES, "GReFELForImageClassification"),
        ):
            patch = mock.patch.dict(table, {"grefel": name})
            patch.start()
            self.addCleanup(patch.stop)

    def test_problem_types(self):
        """Instead of training on each: GReFEL gives one distribution over exclusive classes, and refuses the others."""
        config = self.model_tester.get_config()
        GReFELForImageClassification(config)
        for kind, num_labels in (("multi_label_classification", 3), ("regression", 1)):
            config.problem_type, config.num_labels = kind, num_labels
            with self.assertRaisesRegex(ValueError, "problem_type is|num_labels is"):
                GReFELForImageClassification(config)

    @unittest.skip("there is no table that tokens are looked up in; the tests of ViT override this one, too")
    def test_model_get_set_embeddings(self):
        pass

    def test_config(self):
        self.config_tester.run_common_tests()


IMAGE_PROCESSORS = {"pil": GReFELImageProcessor}
if is_torchvision_available():
    IMAGE_PROCESSORS["torchvision"] = GReFELImageProcessorTorchvision


class GReFELImageProcessingTester(image_processing.ImageProcessingTester):
    def __init__(self, parent: unittest.TestCase, **kwargs):
        kwargs.setdefault("size", {"height": 20, "width": 20})
        super().__init__(parent, **kwargs)

    def _get_image_processing_classes(self) -> dict[str, type]:
        return IMAGE_PROCESSORS  # which are not in transformers' own table


class GReFELImageProcessingTest(image_processing.ImageProcessingTestMixin, unittest.TestCase):
    image_processor_tester_class = GReFELImageProcessingTester

    @unittest.skip("takes a picture from the Hub; test_image_processing_grefel.py compares both on others")
    def test_backends_equivalence(self):
        pass

    def test_valid_kwargs_set(self):
        """transformers looks for a class named after each processor; ours share one."""
        for processor in IMAGE_PROCESSORS.values():
            self.assertIs(processor.valid_kwargs, GReFELImageProcessorKwargs)

    @unittest.skipUnless(is_torchvision_available(), "needs torchvision, which is no requirement of the package")
    def test_new_models_require_torchvision_backend(self):
        super().test_new_models_require_torchvision_backend()


class GReFELPipelineTest(PipelineTesterMixin, unittest.TestCase):
    pipeline_model_mapping = {
        "image-classification": GReFELForImageClassification,
        "image-feature-extraction": GReFELModel,
    }

    @classmethod
    def setUpClass(cls):
        config = GReFELModelTester(None).get_config()
        size = {"height": config.image_size, "width": config.image_size}
        for model_class in cls.pipeline_model_mapping.values():
            folder = Path(MODELS.name, config.model_type, model_class.__name__)
            model_class(config).save_pretrained(folder)
            GReFELImageProcessor(size=size).save_pretrained(folder)

    def skipTest(self, reason: str):
        """The mixin skips models that it cannot load, which would be a failure here."""
        self.fail(reason)

    def test_pipeline_image_feature_extraction(self):
        """transformers asks for timm here, which this model does without."""
        self.run_task_tests(task="image-feature-extraction")

    def test_pipeline_image_feature_extraction_fp16(self):
        self.run_task_tests(task="image-feature-extraction", dtype="float16")
