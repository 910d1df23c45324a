"""What all adapters have in common."""

import inspect

import pytest

from grefel_train.data.adapters import ADAPTERS, title_of
from grefel_train.data.arguments import add_source_arguments
from grefel_train.flags import FlagParser


def test_every_format_has_an_adapter():
    assert set(ADAPTERS) == {"ferplus", "fer2013", "rafdb", "affectnet", "affwild2", "fergdb", "jaffe"}


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=list(ADAPTERS))
def test_a_folder_that_is_not_there(tmp_path, adapter):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        adapter.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_set_tells_its_title_where_it_is_asked_for_and_what_its_terms_mean(name):
    adapter = ADAPTERS[name]
    assert title_of(name) == adapter.title and "http" in adapter.where and "research" in adapter.terms


def test_what_has_no_adapter_keeps_its_name():
    assert title_of("somebody/faces") == "somebody/faces" and title_of(None) == "FER+"


def test_flags_of_one_set_reach_its_adapter():
    parser = FlagParser()
    add_source_arguments(parser.add_argument)
    args = parser.parse_args([])
    assert args.ferplus_protocol == "probability" and args.affectnet_classes == 8
    for adapter in ADAPTERS.values():
        for option in adapter.options:
            assert option.argument in inspect.signature(adapter.load).parameters
