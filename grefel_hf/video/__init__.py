"""Following people through a video."""

from .analysis import analyse_video

__all__ = ["analyse_video"]
