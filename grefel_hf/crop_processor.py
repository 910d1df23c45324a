"""What `GReFELImageProcessor` does with crops, to the bit, without transformers: for graphs, which need no PyTorch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .files import read_json
from .hub import PROCESSOR_FILE
from .model.pixels import to_grayscale, to_rgb


class CropProcessor:
    """
    Called as the image processor is, with a list of pictures.

    Args:
        settings: entries of preprocessor_config.json, as `save_pretrained` of the image processor writes them.

    Raises:
        KeyError, TypeError, ValueError: they are others.
    """

    def __init__(self, settings: dict):
        steps = ("do_convert_rgb", "do_resize", "do_rescale", "do_normalize")
        if not all(settings[step] for step in steps) or settings.get("do_center_crop") or settings.get("do_pad"):
            raise ValueError("crops are converted, resized, rescaled and normalised, and nothing else")
        self.size = {side: int(settings["size"][side]) for side in ("height", "width")}
        self.do_grayscale = bool(settings["do_grayscale"])
        self._resample = Image.Resampling(settings["resample"])
        # One value for each of 256 greys and 3 channels, made by the same operations in the same precision.
        greys = (np.arange(256, dtype=np.float64) * settings["rescale_factor"]).astype(np.float32)
        mean, std = (np.float32([[float(v)] for v in settings[name]]) for name in ("image_mean", "image_std"))
        self._values = (greys - mean) / std  # (3, 256)

    @classmethod
    def from_folder(cls, folder: Path) -> "CropProcessor":
        """
        Raises:
            OSError: the folder has no preprocessor_config.json.
            KeyError, TypeError, ValueError: it asks for something else.
        """
        return cls(read_json(folder / PROCESSOR_FILE))

    def __call__(self, images: Sequence[Image.Image], return_tensors: str = "np") -> dict[str, np.ndarray]:
        """`pixel_values`, (B, 3, height, width) float32."""
        return {"pixel_values": np.stack([self._pixel_values(image) for image in images])}

    def _pixel_values(self, image: Image.Image) -> np.ndarray:
        image = to_rgb(image)
        if self.do_grayscale:
            grey = to_grayscale(np.moveaxis(np.asarray(image), -1, 0))[0]  # (3, H, W), all alike -> (H, W)
            image = Image.fromarray(grey)
        pixels = np.asarray(image.resize((self.size["width"], self.size["height"]), self._resample))
        channels = [pixels] * 3 if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
        return np.stack([values[channel] for values, channel in zip(self._values, channels)])
