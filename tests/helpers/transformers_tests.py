"""
The common tests of the installed transformers, from its source distribution, which `make transformers-tests` fetches.

The distribution lacks the folders below tests/; what the common tests import from there stands here as far as it is
used: nothing of text generation and of export to other runtimes, and entries that any configuration takes.
"""

import importlib
import sys
import tarfile
import tempfile
import types
from pathlib import Path

import pytest
import transformers

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
