"""
Heavy augmentation of face batches on the training device (paper, section 4.1), and mixup.

Plain torch: one resampling does flip, rotation, scale, shift and crop, one matrix product all colours, and the
costlier steps see only the images that drew them. That is about ten times as fast on one CPU thread as such steps of
kornia 0.9 (tests/benchmarks/benchmark_augmentation.py).

Every random number is drawn on the CPU from torch's global generator, so that seeding torch before a batch settles the
batch on any device, and no step waits for a GPU.
"""

import argparse
import math

import torch
import torch.nn.functional as F
from torch import nn

from grefel_train.data.rand_augment import rand_augment

MAX_STRENGTH = 1.5
CPU = torch.device("cpu")

# Luma and two chroma channels of RGB (YIQ). The rows of the chroma sum to 0: grey pixels have none.
RGB_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
YIQ_TO_RGB = RGB_TO_YIQ.inverse()


class FaceAugmentation(nn.Module):
    """
    Random crop, flip, rotation, scale, shift, colours, greyscale, erasing; then what cameras and files do: blur or
    sharpening, low resolution, grain, JPEG-like loss.

    Rotation, shift and scale are those by which face detectors disagree about one face; sharpening stands for the
    crops of real photos, which are sharper than upscaled training faces. On grey images the changes of hue and
    saturation do nothing.

    Args:
        size: side of the result in pixels.
        strength: in [0, 1.5], scales the ranges, and the chance of greyscale and of what cameras and files do. 0
            leaves flip and crop.
        rand_augment_operations: how many operations of RandAugment take the place of all but flip and crop; 0 for none.

    `forward` maps images (B, C, R, R) in [0, 1] with R >= size to (B, C, size, size) in [0, 1]: a window of that size
    at a random place, which is the whole image where R is `size`. C is 3, or 1 for grey images, which saves two thirds
    of the work and gives what each of three equal channels would become.
    """

    def __init__(self, size: int, strength: float = 1.0, rand_augment_operations: int = 0):
        super().__init__()
        if not 0 <= strength <= MAX_STRENGTH:
            raise ValueError(f"The strength of the augmentation is between 0 and {MAX_STRENGTH}, not {strength}.")
        self.size = size
        self.strength = strength
        self.rand_augment_operations = rand_augment_operations

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        count, resolution = len(images), images.shape[-1]
        square = images.shape[2:] == (resolution, resolution) and resolution >= self.size
        if images.ndim != 4 or images.shape[1] not in (1, 3) or not square:
            raise ValueError(
                f"Images of shape {tuple(images.shape)} do not become (B, 3, {self.size}, {self.size}): they must be "
                "square, with three channels or one, and not smaller than that."
            )
        turning = 0.0 if self.rand_augment_operations else self.strength
        images = resample(images, random_windows(count, resolution, self.size, turning), self.size)
        if self.strength == 0:
            return images
        if self.rand_augment_operations:
            return rand_augment(images, self.rand_augment_operations, self.strength)
        images = random_colours(images, self.strength)
        for chance, change in CAMERA_STEPS:
            chosen = beside(draw(count, chance * self.strength).nonzero().squeeze(1), images)
            if len(chosen):
                images[chosen] = change(images[chosen], self.strength)
        boxes = random_boxes(count, self.size, self.strength, chance=0.3, device=images.device)
        return images.masked_fill_(boxes, 0.5).clamp_(0.0, 1.0)


def build_augmentation(args: argparse.Namespace, size: int) -> FaceAugmentation:
    """By the flags of train.py."""
    return FaceAugmentation(size, args.augmentation_strength, args.rand_augment or 0)


def beside(tensor: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """A tensor of the CPU on the device of the images, which a GPU need not have reached yet."""
    return tensor.to(images.device, non_blocking=images.is_cuda)


def draw(count: int, chance: float) -> torch.Tensor:
    """(count,) bool, each true with that chance."""
    return torch.rand(count) < chance


def uniform(count: int, low: float, high: float) -> torch.Tensor:
    return torch.empty(count).uniform_(low, high)


def random_windows(count: int, resolution: int, size: int, strength: float) -> torch.Tensor:
    """
    Where in the image (R, R) each result (size, size) is sampled.

    Returns:
        (count, 2, 3) affine maps from the result's coordinates to the image's, both in [-1, 1] from edge to edge.
    """
    turned = draw(count, 0.9)
    angle = turned * torch.deg2rad(uniform(count, -15.0, 15.0) * strength)
    zoom = 1 + turned * uniform(count, -0.15, 0.15) * strength
    shift = turned[:, None] * uniform(2 * count, -0.07, 0.07).view(-1, 2) * strength  # of the result's side
    mirror = torch.where(draw(count, 0.5), -1.0, 1.0)
    corner = torch.randint(resolution - size + 1, (count, 2))  # of the window, in pixels
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    linear = torch.stack([cos * mirror, -sin, sin * mirror, cos], -1).view(-1, 2, 2) * (size / resolution)
    centre = (2 * corner + size) / resolution - 1 + 2 * shift * (size / resolution)
    return torch.cat([linear, centre[:, :, None]], -1)


def resample(images: torch.Tensor, windows: torch.Tensor, size: int) -> torch.Tensor:
    """Images (B, C, R, R) at the places of `random_windows` -> (B, C, size, size); edges are continued outwards."""
    grid = F.affine_grid(beside(windows, images), (len(images), 1, size, size), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def random_colours(images: torch.Tensor, strength: float) -> torch.Tensor:
    """
    Contrast, brightness, saturation, hue and greyscale of images (B, 3, S, S), as one map of RGB; only contrast and
    brightness of grey ones (B, 1, S, S).

    Contrast is about the image's mean luma, so that bright faces do not wash out. Saturation is the length and hue the
    direction of the two chroma channels; greyscale leaves none.
    """
    count = len(images)
    contrast = 1 + draw(count, 0.7) * uniform(count, -0.3, 0.3) * strength
    brightness = draw(count, 0.7) * uniform(count, -0.2, 0.2) * strength
    coloured = draw(count, 0.7)
    saturation = 1 + coloured * uniform(count, -0.5, 0.5) * strength
    saturation = saturation * ~draw(count, 0.1 * strength)
    hue = coloured * torch.deg2rad(uniform(count, -15.0, 15.0) * strength)
    one, zero = torch.ones(count), torch.zeros(count)
    cos, sin = saturation * hue.cos(), saturation * hue.sin()
    chroma = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], -1).view(-1, 3, 3)
    matrices = contrast[:, None, None] * (YIQ_TO_RGB @ chroma @ RGB_TO_YIQ)
    luma = RGB_TO_YIQ[0] if images.shape[1] == 3 else torch.ones(1)
    offsets = beside(1 - contrast, images) * (images.mean((2, 3)) @ beside(luma, images)) + beside(brightness, images)
    if images.shape[1] == 1:
        factors = beside(contrast, images).view(-1, 1, 1, 1)
        return torch.addcmul(offsets.view(-1, 1, 1, 1), images, factors).clamp_(0.0, 1.0)
    return mix_channels(images, matrices, offsets).clamp_(0.0, 1.0)


def mix_channels(images: torch.Tensor, matrices: torch.Tensor, offsets: torch.Tensor | None = None) -> torch.Tensor:
    """Images (B, 3, H, W) with every pixel multiplied by (B, 3, 3) or (3, 3), plus (B,)."""
    matrices = beside(matrices, images).expand(len(images), 3, 3)
    offsets = images.new_zeros(()) if offsets is None else offsets.view(-1, 1, 1)
    return torch.baddbmm(offsets, matrices, images.flatten(2)).view_as(images)


def random_sharpness(images: torch.Tensor, strength: float) -> torch.Tensor:
    """Blurs one half of the images (n, 3, S, S), and adds to the other what a blur takes away."""
    count, size = len(images), images.shape[-1]
    widest = 0.018 * strength * size  # standard deviation in pixels: 2 of 112
    smooth = gaussian_blur(images, uniform(count, 0.1 * widest, widest), radius=math.ceil(2.5 * widest))
    gain = torch.where(draw(count, 0.5), torch.zeros(count), 1 + uniform(count, 0.0, 1.5) * strength)
    return torch.lerp(smooth, images, beside(gain, images).view(-1, 1, 1, 1)).clamp_(0.0, 1.0)


def gaussian_blur(images: torch.Tensor, deviations: torch.Tensor, radius: int) -> torch.Tensor:
    """Images (n, C, H, W), each blurred by a Gaussian of its own standard deviation (n,) in pixels."""
    offsets = torch.arange(-radius, radius + 1)
    kernels = torch.softmax(-0.5 * (offsets / deviations[:, None]) ** 2, -1)  # (n, 2 radius + 1)
    kernels = beside(kernels, images)
    images = F.pad(images, (radius,) * 4, mode="replicate").transpose(0, 1)  # (C, n, ...): one kernel per channel
    images = F.conv2d(images, kernels[:, None, None, :], groups=len(kernels))
    return F.conv2d(images, kernels[:, None, :, None], groups=len(kernels)).transpose(0, 1)


def random_resolution(images: torch.Tensor, strength: float) -> torch.Tensor:
    """Images (n, 3, S, S) down to a random side and up again; one side for all, drawn anew for every batch."""
    size = images.shape[-1]
    share = float(uniform(1, max(0.6 - 0.4 * strength, 0.12), 0.6))
    side = max(round(share * size), 1)
    small = F.interpolate(images, (side, side), mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(small, (size, size), mode="bilinear", align_corners=False)


def random_grain(images: torch.Tensor, strength: float) -> torch.Tensor:
    """Gaussian noise of brightness on images (n, 3, S, S), of up to 12 % of full scale at strength 1."""
    deviations = uniform(len(images), 0.01, 0.01 + 0.11 * strength).view(-1, 1, 1, 1)
    grain = deviations * torch.randn(len(images), 1, *images.shape[-2:])
    return (images + beside(grain, images)).clamp_(0.0, 1.0)


def random_compression(images: torch.Tensor, strength: float) -> torch.Tensor:
    """JPEG's loss without its files: the cosine coefficients of 8x8 blocks (n, C, S, S) rounded to random steps."""
    count, channels, size = images.shape[:3]
    # Steps that grow with frequency and are coarser for chroma, about those of JPEG's example tables (ITU-T T.81,
    # annex K) at scale 1, which is quality 50; 2.5 is quality 20.
    frequency = torch.arange(8.0)[:, None] + torch.arange(8.0)
    luma = (10 + frequency**2).clamp(max=100) / 255
    table = torch.stack([luma, 2 * luma, 2 * luma])[:channels].view(channels, 1, 64)
    steps = uniform(count, 0.3, 0.3 + 2.2 * strength).view(-1, 1, 1, 1) * table  # (n, C, 1, 64)
    steps = beside(steps, images)
    transform = beside(block_cosine_transform(), images)

    padding = -size % 8
    blocks = F.pad(images, (0, padding, 0, padding), mode="replicate")
    blocks = mix_channels(blocks, RGB_TO_YIQ) if channels == 3 else blocks
    blocks = blocks.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)  # (n, C, S/8, S/8, 8, 8)
    coefficients = blocks.reshape(count, channels, -1, 64) @ transform.T
    coefficients = (coefficients / steps).round_() * steps
    blocks = (coefficients @ transform).view_as(blocks).transpose(3, 4)
    images = blocks.reshape(count, channels, size + padding, size + padding)[..., :size, :size]
    return mix_channels(images, YIQ_TO_RGB) if channels == 3 else images


def block_cosine_transform() -> torch.Tensor:
    """(64, 64): the orthonormal two-dimensional DCT-II of flattened 8x8 blocks."""
    index = torch.arange(8.0)
    cosines = torch.cos(math.pi / 8 * index[:, None] * (index + 0.5)) / 2
    cosines[0] /= math.sqrt(2)
    return torch.kron(cosines, cosines)


# In the order in which a picture meets them; the chance of each at strength 1.
CAMERA_STEPS = (
    (0.3, random_sharpness),
    (0.15, random_resolution),
    (0.2, random_grain),
    (0.2, random_compression),
)


def random_boxes(count: int, size: int, strength: float, chance: float, device: torch.device = CPU) -> torch.Tensor:
    """(count, 1, size, size) bool: one box in those images that draw it, of 2 to 2 + 13 * strength % of the image."""
    area = draw(count, chance) * uniform(count, 0.02, 0.02 + 0.13 * strength)
    ratio = uniform(count, math.log(0.4), math.log(2.5)).exp()  # height to width
    sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], -1) * size  # (count, 2): height, width
    start = torch.rand(count, 2) * (size - sides)
    edges = torch.stack([start, start + sides], -1)
    edges = edges.to(device, non_blocking=device.type == "cuda")
    start, end = edges.unsqueeze(3).unbind(2)  # (count, 2, 1) each
    pixels = torch.arange(size, device=device) + 0.5
    inside = (pixels >= start) & (pixels < end)  # (count, 2, size)
    return (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]


def mixed(
    images: torch.Tensor, targets: torch.Tensor, mixup_alpha: float, cutmix_alpha: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixup or cutmix of a batch, whichever has an alpha above 0; with both, one by the toss of a coin."""
    if cutmix_alpha and (not mixup_alpha or draw(1, 0.5).item()):
        return cutmix(images, targets, cutmix_alpha)
    return mixup(images, targets, mixup_alpha) if mixup_alpha else (images, targets)


def cutmix(images: torch.Tensor, targets: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Cutmix (Yun et al., 2019): each image gets a box of another of the batch, as large as Beta(alpha, alpha) says, and
    its targets take in the share of its pixels that the box has.

    Args and result as those of `mixup`.
    """
    partner, share = mixing_partners(images, targets, alpha)
    count, size = len(images), images.shape[-1]
    side = (1 - share).sqrt() * size
    centre = torch.rand(count, 2) * size  # a box may reach over the edge
    partner, side, centre = (beside(tensor, images) for tensor in (partner, side, centre))
    pixels = torch.arange(size, device=images.device) + 0.5
    inside = (pixels - centre[..., None]).abs() < side[:, None, None] / 2  # (count, 2, size)
    box = (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]  # (count, 1, size, size)
    kept = 1 - box.float().mean((1, 2, 3))
    return torch.where(box, images[partner], images), torch.lerp(targets[partner], targets, kept.view(-1, 1))


def mixup(images: torch.Tensor, targets: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Mixup (Zhang et al., 2018): each image is blended with another of the batch, and their targets alike.

    The share is drawn from Beta(alpha, alpha) for each image rather than for the batch: every batch then holds
    nearly clean and strongly mixed faces, and the size of its loss does not jump with one number.

    Args:
        images: (B, 3, S, S).
        targets: (B, N) distributions.
        alpha: above 0; 0.2 is mild, 1 mixes uniformly.

    Returns:
        Images and targets of the same shapes.
    """
    partner, share = mixing_partners(images, targets, alpha)
    partner, share = beside(partner, images), beside(share, images)
    return (
        torch.lerp(images[partner], images, share.view(-1, 1, 1, 1)),
        torch.lerp(targets[partner], targets, share.view(-1, 1)),
    )


def mixing_partners(images: torch.Tensor, targets: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    """For each image of a batch another one (B,), and the share (B,) in [0, 1] that it keeps of itself."""
    if alpha <= 0:
        raise ValueError(f"mixup and cutmix need an alpha above 0, not {alpha}; without them, do not call them.")
    if targets.ndim != 2 or not targets.is_floating_point():
        raise ValueError("mixup and cutmix blend distributions (B, N): turn class ids into one-hot rows first.")
    count = len(images)
    share = torch.distributions.Beta(alpha, alpha).sample((count,))
    return torch.randperm(count), share
