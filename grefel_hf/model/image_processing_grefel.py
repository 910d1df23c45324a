"""Image processors of GReFEL: any image of one face to normalised pixel values, by Pillow or by torchvision."""

import numpy as np
import torch
from PIL import Image
from transformers.image_processing_backends import PilBackend, TorchvisionBackend
from transformers.image_utils import PILImageResampling
from transformers.processing_utils import ImagesKwargs
from transformers.utils import logging

from .pixels import LUMA, to_8_bits, to_grayscale, to_rgb
from .remote_code import SavedWithCode, without_code_entries

logger = logging.get_logger(__name__)

WHITE_SHARE = 0.95  # of values at 255: more than a face crop has


class GReFELImageProcessorKwargs(ImagesKwargs, total=False):
    r"""
    do_grayscale (`bool`, *optional*):
        Take the colour out of the image; the result still has three channels, all alike.
    """

    do_grayscale: bool


class GReFELImageProcessing(SavedWithCode):
    """
    What both processors have in common.

    Convert to RGB (transparency on white, deep greyscale to 8 bits), optionally take the colour out, resize to a
    square, rescale and normalise.

    The crop is stretched to the square: cut it square before. Training sets without colour, FER+ among them, want
    `do_grayscale`, so that photos look at inference as faces did in training. Mean and deviation are MobileFaceNet's
    (x - 127.5) / 128. With `save_code=False` no copies of the code are saved with it.
    """

    valid_kwargs = GReFELImageProcessorKwargs
    resample = PILImageResampling.BILINEAR
    image_mean = [0.5, 0.5, 0.5]
    image_std = [128 / 255, 128 / 255, 128 / 255]
    size = {"height": 112, "width": 112}
    do_convert_rgb = True
    do_grayscale = False
    do_resize = True
    do_rescale = True
    do_normalize = True
    save_code = True
    # A list, Pillow's first: from a plain name, pipelines derive that of a video processor and ask whether to trust it.
    code_entries = {
        "auto_map": {
            "AutoImageProcessor": [
                "image_processing_grefel.GReFELImageProcessor",
                "image_processing_grefel.GReFELImageProcessorTorchvision",
            ]
        }
    }

    def __init__(self, **kwargs):
        super().__init__(**without_code_entries(kwargs))

    def to_dict(self) -> dict:
        """The type is the same for both: whoever loads it chooses what runs it."""
        return super().to_dict() | {"image_processor_type": "GReFELImageProcessor"}


class GReFELImageProcessor(GReFELImageProcessing, PilBackend):
    """By Pillow: what training and the predictor use."""

    def convert_to_rgb(self, image: Image.Image | np.ndarray, **kwargs) -> np.ndarray:
        """A picture (H, W) of any mode to (H, W, 3) uint8; of an array, deep integers become uint8, too."""
        if isinstance(image, Image.Image):
            return warned_of_white(np.asarray(to_rgb(image)))
        if np.issubdtype(image.dtype, np.integer) and image.dtype != np.uint8:
            image = to_8_bits(image)
        return super().convert_to_rgb(image, **kwargs)

    def _preprocess(self, images: list[np.ndarray], do_grayscale: bool | None = False, **kwargs):
        """Channels-first images (3, H, W), after the conversion to RGB."""
        if do_grayscale:
            images = [to_grayscale(image) for image in images]
        return super()._preprocess(images, **kwargs)


class GReFELImageProcessorTorchvision(GReFELImageProcessing, TorchvisionBackend):
    """By torchvision, on any device; within 2/255 of the other."""

    def process_image(self, image, do_convert_rgb: bool | None = None, **kwargs) -> torch.Tensor:
        """An image of any kind to channels first, deep integers to uint8."""
        if do_convert_rgb and isinstance(image, Image.Image):
            image = to_rgb(image)
            warned_of_white(np.asarray(image))
        elif isinstance(image, np.ndarray) and np.issubdtype(image.dtype, np.integer) and image.dtype != np.uint8:
            image = to_8_bits(image)
        return super().process_image(image, do_convert_rgb=do_convert_rgb, **kwargs)

    def _preprocess(self, images: list[torch.Tensor], do_grayscale: bool | None = False, **kwargs):
        """Channels-first images (3, H, W), after the conversion to RGB."""
        if do_grayscale:
            weights = torch.from_numpy(LUMA)
            images = [_to_grayscale_tensor(image, weights.to(image.device)) for image in images]
        return super()._preprocess(images, **kwargs)


def warned_of_white(pixels: np.ndarray) -> np.ndarray:
    """The uint8 pixels, with a warning where they look like a deep picture that somebody cut to 8 bits."""
    if np.count_nonzero(pixels == 255) > WHITE_SHARE * pixels.size:
        logger.warning_once(
            "A picture came nearly all white: if its file has 16 bits, whoever made 8 of them cut it off, as "
            'pipeline("image-classification") does. pipeline("facial-expression-recognition") with detector="none" '
            "reads such face crops, and so does the image processor, given the picture as Pillow opens it."
        )
    return pixels


def _to_grayscale_tensor(image: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """As `to_grayscale`."""
    luma = torch.tensordot(weights, image[:3].float(), dims=1)
    luma = luma if image.is_floating_point() else luma.round()
    return luma.to(image.dtype).expand(image.shape)


__all__ = ["GReFELImageProcessor", "GReFELImageProcessorTorchvision"]
