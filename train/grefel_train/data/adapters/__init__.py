"""Adapters: the published sets of faces, each read from the layout in which its authors hand it out."""

from . import affectnet, affwild2, fer2013, fergdb, ferplus, jaffe, rafdb

# By --dataset_format, which is the module's name.
ADAPTERS = {
    module.__name__.rpartition(".")[2]: module.ADAPTER
    for module in (ferplus, fer2013, rafdb, affectnet, affwild2, fergdb, jaffe)
}
DEFAULT_FORMAT = "ferplus"


def title_of(name: str | None) -> str:
    """The name for people of a format; of one that has no adapter, the format itself."""
    name = name or DEFAULT_FORMAT
    return ADAPTERS[name].title if name in ADAPTERS else name
