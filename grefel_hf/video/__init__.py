"""Following people through a video."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .analysis import analyse_video

__all__ = ["analyse_video"]


def __getattr__(name: str) -> Any:  # the process that decodes needs none of what analysis imports
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import analysis

    return getattr(analysis, name)
