"""Adapters: the published sets of faces, each read from the layout in which its authors hand it out."""

from collections.abc import Callable

from grefel_train.data.adapters.canonical import FaceSplits

from . import affectnet, affwild2, fergdb, ferplus, jaffe, rafdb

# Names of --dataset_format; each is called with the folder, and ferplus and affectnet with an option of their own.
ADAPTERS: dict[str, Callable[..., FaceSplits]] = {
    "ferplus": ferplus.load,
    "rafdb": rafdb.load,
    "affectnet": affectnet.load,
    "affwild2": affwild2.load,
    "fergdb": fergdb.load,
    "jaffe": jaffe.load,
}
