"""
The common tests of the installed transformers, from its source distribution, which `make transformers-tests` fetches.

The distribution lacks the folders below tests/; what the common tests import from there stands here as far as it is
used: nothing of text generation and of export to other runtimes, and entries that any configuration takes.
"""

import importlib
import json
import os
import sys
import tarfile
import tempfile
import types
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import transformers
from PIL import Image

from tests.helpers import REPOSITORY

PACKAGE = "transformers_tests"
ARCHIVE = REPOSITORY / ".cache" / f"transformers-{transformers.__version__}.tar.gz"
# For a configuration that has none of these as entries of its own.
COMMON_SETTINGS = {"return_dict": False, "output_hidden_states": True, "chunk_size_feed_forward": 5, "dtype": "float16"}


def common_tests(*names: str) -> list[types.ModuleType]:
    """Modules such as `test_modeling_common`; skips the module that asks where the distribution is missing."""
    pytest.importorskip("parameterized")
    if not ARCHIVE.exists():
        pytest.skip(f"needs {ARCHIVE.name}: make transformers-tests", allow_module_level=True)
    if PACKAGE not in sys.modules:
        _install()
    return [importlib.import_module(f"{PACKAGE}.{name}") for name in names]


def pipeline_tests(models: Path, own: types.ModuleType, processors: dict[str, str]) -> type:
    """
    `PipelineTesterMixin`, for models in a folder instead of the Hub's, with the tests of the tasks that there are
    `PipelineTests` of.

    Args:
        models: gets the list of models that the mixin reads; those of class C are to lie in MODEL_TYPE/C.
        own: where the processors' classes are found.
        processors: the class of the processor by that of the model.
    """
    summary = {name: {"tokenizer_classes": [], "processor_classes": [kind]} for name, kind in processors.items()}
    (models / "reports").mkdir()
    (models / "reports" / "tiny_model_summary.json").write_text(json.dumps(summary))
    with (
        mock.patch.dict(os.environ, TRANSFORMERS_TINY_MODEL_PATH=str(models)),
        mock.patch("transformers.utils.direct_transformers_import", return_value=own),
    ):
        (module,) = common_tests("test_pipeline_mixin")
    tasks = {tests.task: tests.__name__ for tests in PipelineTests.__subclasses__()}
    module.pipeline_test_mapping = {task: {"test": f"{__name__}.{name}"} for task, name in tasks.items()}
    mixin = module.PipelineTesterMixin
    for name in [name for name in vars(mixin) if name.startswith("test_pipeline_")]:
        if name.removeprefix("test_pipeline_").removesuffix("_fp16").replace("_", "-") not in tasks:
            delattr(mixin, name)
    return mixin


class PipelineTests:
    """Instead of transformers' own of a task, which the distribution lacks and whose images come from the Hub."""

    task: str

    def get_test_pipeline(self, model, tokenizer, image_processor, dtype):
        pipe = transformers.pipeline(self.task, model=model, image_processor=image_processor, dtype=dtype)
        noise = np.random.default_rng(0).integers(0, 256, (3, 50, 40, 3), dtype=np.uint8)
        return pipe, [Image.fromarray(noise[0]), Image.fromarray(noise[1]).convert("L"), Image.fromarray(noise[2])]


class ImageClassificationPipelineTests(PipelineTests):
    task = "image-classification"

    def run_pipeline_test(self, pipe, examples):
        names = set(pipe.model.config.id2label.values())
        answers = [pipe(examples[0]), *pipe(examples, batch_size=2)]
        for answer in answers:
            assert {row["label"] for row in answer} == names
            assert abs(sum(row["score"] for row in answer) - 1) < 1e-2
        assert len(answers) == 4 and len(pipe(examples[0], top_k=2)) == 2


class ImageFeatureExtractionPipelineTests(PipelineTests):
    task = "image-feature-extraction"

    def run_pipeline_test(self, pipe, examples):
        for features in (pipe(examples[0]), *pipe(examples, batch_size=2)):
            assert np.isfinite(features).all() and np.shape(features)[-1] == pipe.model.config.hidden_size


def _install():
    folder = tempfile.TemporaryDirectory(prefix="transformers-tests-")
    with tarfile.open(ARCHIVE) as archive:
        members = [m for m in archive.getmembers() if m.name.count("/") == 2 and "/tests/test_" in m.name]
        archive.extractall(folder.name, members, filter="data")
    tests = Path(folder.name, members[0].name).parent
    (tests / "__init__.py").touch()
    package = _module(PACKAGE, __path__=[str(tests)])
    package.folder = folder  # is deleted with it
    for name in ("exporters", "generation", "utils"):
        _module(f"{PACKAGE}.{name}", __path__=[])
    _module(f"{PACKAGE}.exporters.test_export", ExportTesterMixin=type("ExportTesterMixin", (), {}))
    _module(f"{PACKAGE}.generation.test_utils", GenerationTesterMixin=type("GenerationTesterMixin", (), {}))
    _module(f"{PACKAGE}.utils.test_configuration_utils", config_common_kwargs=COMMON_SETTINGS)
    _module("fetch_hub_objects_for_ci", url_to_local_path=str)


def _module(name: str, **values) -> types.ModuleType:
    module = sys.modules[name] = types.ModuleType(name)
    vars(module).update(values)
    return module
