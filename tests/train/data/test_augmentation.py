import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import torch

from grefel_train.data.augmentation import (
    FaceAugmentation,
    block_cosine_transform,
    cutmix,
    gaussian_blur,
    mixed,
    mixup,
    random_boxes,
    random_colours,
    random_compression,
    random_grain,
    random_resolution,
    random_sharpness,
    random_windows,
)


def some_images(count: int = 16, size: int = 40, grey: bool = False) -> torch.Tensor:
    """Smooth random images: blurred noise with its range stretched to [0, 1]."""
    noise = torch.rand(count, 1 if grey else 3, size, size, generator=torch.Generator().manual_seed(5))
    smooth = gaussian_blur(noise, torch.full((count,), 3.0), radius=8)
    low, high = smooth.amin((2, 3), keepdim=True), smooth.amax((2, 3), keepdim=True)
    return ((smooth - low) / (high - low)).expand(-1, 3, -1, -1).clone()


@pytest.mark.parametrize("resolution", [32, 40])
@pytest.mark.parametrize("strength", [0.0, 0.7, 1.5])
def test_results_are_images_of_the_size(resolution, strength):
    images = some_images(size=resolution)
    before = images.clone()
    result = FaceAugmentation(32, strength)(images)
    assert result.shape == (16, 3, 32, 32)
    assert result.min() >= 0 and result.max() <= 1
    assert torch.equal(images, before)  # the caller's images are left alone


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_seed_settles_the_batch_bit_for_bit(strength):
    images, augment = some_images(size=40), FaceAugmentation(32, strength)
    torch.manual_seed(1)
    first = augment(images)
    second = augment(images)
    torch.manual_seed(1)
    assert torch.equal(augment(images), first)
    assert not torch.equal(first, second)


def test_strength_0_only_flips():
    torch.manual_seed(0)
    images = some_images()
    result = FaceAugmentation(40, strength=0.0)(images)
    same = ((result - images).abs().amax((1, 2, 3)) < 1e-4).numpy()
    mirrored = ((result - images.flip(-1)).abs().amax((1, 2, 3)) < 1e-4).numpy()
    assert (same ^ mirrored).all()
    assert 3 <= mirrored.sum() <= 13  # of 16


def test_strength_0_crops_at_random_places():
    """The pixels of the image are its coordinates: what the result shows is where it was cut out."""
    torch.manual_seed(0)
    row, column = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    images = torch.stack([row, column, column]).repeat(200, 1, 1, 1)
    result = FaceAugmentation(32, strength=0.0)(images)
    step = torch.where(result[:, 1, :1, 1:] > result[:, 1, :1, :-1], 1.0, -1.0)[:, :, :1]  # -1 where it is mirrored
    top, left = result[:, 0, :, :1].amin(1, keepdim=True), result[:, 1, :1, :].amin(2, keepdim=True)
    count = torch.arange(32.0)
    torch.testing.assert_close(result[:, 0], (top + count[:, None]).expand(-1, 32, 32), atol=1e-3, rtol=0)
    columns = torch.where(step > 0, left + count, left + 31 - count)
    torch.testing.assert_close(result[:, 1], columns.expand(-1, 32, 32), atol=1e-3, rtol=0)
    for corner in (top, left):
        assert set(corner.flatten().round().int().tolist()) == set(range(9))  # every place from 0 to 40 - 32


def test_strength_scales_the_change():
    images = some_images(64)
    changes = []
    for strength in (0.2, 0.7, 1.5):
        torch.manual_seed(0)
        result = FaceAugmentation(40, strength)(images)
        nearest = torch.minimum(
            (result - images).abs().mean((1, 2, 3)), (result - images.flip(-1)).abs().mean((1, 2, 3))
        )
        changes.append(nearest.mean().item())
    assert changes[0] < 0.6 * changes[1] and changes[1] < 0.8 * changes[2]


def test_windows_stay_within_their_ranges():
    torch.manual_seed(0)
    windows = random_windows(2000, resolution=100, size=100, strength=1.0)
    linear, shift = windows[:, :, :2], windows[:, :, 2]
    zoom = torch.linalg.det(linear).abs().rsqrt()
    angle = torch.rad2deg(torch.atan2(linear[:, 0, 1], linear[:, 1, 1])).abs()
    for value, low, high in ((zoom, 0.85, 1.15), (angle, 0.0, 15.0), (shift, -0.14, 0.14)):  # shift: of a side of 2
        margin = 0.05 * (high - low)
        assert low - 1e-4 <= value.min() < low + margin and high - margin < value.max() <= high + 1e-4
    torch.testing.assert_close(linear @ linear.mT, (zoom**-2)[:, None, None] * torch.eye(2))  # no shear
    assert 0.45 < (torch.linalg.det(linear) < 0).float().mean() < 0.55  # mirrored


def test_colours_leave_grey_images_grey():
    images = some_images(64, grey=True)
    result = FaceAugmentation(40, strength=1.5)(images)
    assert (result.amax(1) - result.amin(1)).max() < 1e-4


def test_one_channel_becomes_what_each_of_three_equal_ones_becomes():
    images = some_images(32, grey=True)
    augment = FaceAugmentation(40, strength=1.0)
    torch.manual_seed(1)
    expected = augment(images)
    torch.manual_seed(1)
    found = augment(images[:, :1])
    assert found.shape == (32, 1, 40, 40)
    assert (found - expected).abs().max() < 1e-4


def test_colours_change_hue_and_saturation_and_sometimes_remove_both():
    torch.manual_seed(0)
    images = torch.tensor([0.6, 0.4, 0.3]).view(1, 3, 1, 1).expand(1000, 3, 4, 4)
    result = random_colours(images, strength=1.0)[:, :, 0, 0]
    grey = (result.amax(1) - result.amin(1)) < 1e-4
    assert 0.06 < grey.float().mean() < 0.14
    coloured = result[~grey]
    spread = coloured.amax(1) - coloured.amin(1)  # 0.3 in the images, which contrast changes as well
    assert spread.min() < 0.15 and spread.max() > 0.45
    share = (coloured[:, 1] - coloured[:, 2]) / (coloured[:, 0] - coloured[:, 2])  # 1/3: where green is, a hue
    assert share.min() < 0.15 and share.max() > 0.5


def test_blur_is_that_of_scipy():
    images = some_images(3)
    deviations = torch.tensor([0.5, 1.0, 2.0])
    expected = [
        scipy.ndimage.gaussian_filter(image, (0, s, s), mode="nearest", radius=(0, 8, 8))
        for image, s in zip(images.numpy(), deviations.tolist())
    ]
    np.testing.assert_allclose(gaussian_blur(images, deviations, radius=8), np.stack(expected), atol=1e-5)


def test_sharpness_blurs_or_sharpens():
    """Contrast between neighbours falls for one half of the images and rises for the other."""
    torch.manual_seed(0)
    images = torch.rand(400, 3, 40, 40) * 0.2 + 0.4  # far from the range's ends
    before, after = (x.diff(dim=-1).abs().mean((1, 2, 3)) for x in (images, random_sharpness(images, strength=1.0)))
    assert 0.4 < (after < before).float().mean() < 0.6


def test_cosine_transform_is_that_of_scipy():
    blocks = np.random.default_rng(0).random((5, 8, 8), np.float32)
    expected = scipy.fft.dctn(blocks, axes=(1, 2), norm="ortho").reshape(5, 64)
    np.testing.assert_allclose(blocks.reshape(5, 64) @ block_cosine_transform().numpy().T, expected, atol=1e-5)


def test_low_resolution_keeps_what_is_coarse_and_loses_what_is_fine():
    smooth = torch.linspace(0.2, 0.7, 64).view(1, 1, 64, 1).expand(4, 3, 64, 64)
    fine = smooth.clone()
    fine[..., ::2] += 0.1
    torch.manual_seed(0)
    results = [random_resolution(fine, strength=1.0) for _ in range(30)]
    for result in results:
        assert result.shape == fine.shape
        assert (result - smooth - 0.05).abs().mean() < 0.03  # the stripes' mean brightness is all that is left of them
    detail = [result.diff(dim=-1).abs().mean().item() for result in results]
    assert max(detail) < 0.3 * fine.diff(dim=-1).abs().mean().item()
    assert len({round(value, 4) for value in detail}) > 10  # another side each time


def test_grain_is_grey_and_as_strong_as_it_says():
    torch.manual_seed(0)
    grain = random_grain(torch.full((500, 3, 32, 32), 0.5), strength=1.0) - 0.5
    assert torch.equal(grain[:, 0], grain[:, 1]) and torch.equal(grain[:, 0], grain[:, 2])
    deviation = grain[:, 0].flatten(1).std(1)
    assert 0.009 < deviation.min() < 0.015 and 0.11 < deviation.max() < 0.125
    assert grain.mean((1, 2, 3)).abs().max() < 0.02


@pytest.mark.parametrize("size", [40, 36])  # a multiple of the block, and none
def test_compression_loses_detail_and_keeps_the_picture(size):
    torch.manual_seed(0)
    smooth = some_images(size=size) * 0.6 + 0.2
    images = smooth + 0.02 * torch.randn(smooth.shape)
    result = random_compression(images, strength=1.0)
    assert result.shape == images.shape
    assert (result - smooth).abs().mean() < 0.04
    blocks = result[..., :32, :32].unflatten(3, (4, 8)).unflatten(2, (4, 8)).transpose(3, 4)
    coefficients = blocks.reshape(-1, 64) @ block_cosine_transform().T
    assert (coefficients.abs() < 1e-4).float().mean() > 0.7  # as in a JPEG file, most are 0


def test_boxes_cover_the_stated_share_of_some_images():
    torch.manual_seed(0)
    boxes = random_boxes(2000, size=100, strength=1.0, chance=0.3)
    share = boxes.float().mean((1, 2, 3))
    assert 0.26 < (share > 0).float().mean() < 0.34
    drawn = share[share > 0]
    assert 0.015 < drawn.min() < 0.03 and 0.13 < drawn.max() < 0.16


@pytest.mark.parametrize("strength", [-0.1, 1.6])
def test_other_strengths_are_refused(strength):
    with pytest.raises(ValueError, match="between 0 and 1.5"):
        FaceAugmentation(32, strength)


@pytest.mark.parametrize("shape", [(2, 3, 30, 30), (2, 3, 40, 41), (2, 2, 40, 40)])
def test_images_that_cannot_be_cropped_are_refused(shape):
    with pytest.raises(ValueError, match="square, with three channels or one, and not smaller"):
        FaceAugmentation(32)(torch.zeros(shape))


def test_mixup_blends_images_and_targets_alike():
    torch.manual_seed(0)
    images = torch.eye(8).view(8, 8, 1, 1).expand(8, 8, 4, 4)  # channel c of image i is 1 where c == i
    targets = torch.eye(8)
    mixed, blended = mixup(images, targets, alpha=1.0)
    torch.testing.assert_close(mixed[:, :, 0, 0], blended)
    torch.testing.assert_close(blended.sum(1), torch.ones(8))
    shares = blended.diagonal()
    assert len(shares.unique()) > 4  # drawn for each image
    assert ((blended > 0).sum(1) <= 2).all() and (shares < 1).any()
    torch.manual_seed(0)
    assert torch.equal(mixup(images, targets, alpha=1.0)[0], mixed)


def test_mixup_with_a_small_alpha_mixes_little():
    torch.manual_seed(0)
    _, mild = mixup(torch.zeros(500, 3, 1, 1), torch.eye(500), alpha=0.1)
    _, strong = mixup(torch.zeros(500, 3, 1, 1), torch.eye(500), alpha=10.0)
    assert mild.amax(1).mean() > 0.9 > 0.7 > strong.amax(1).mean()


@pytest.mark.parametrize(
    "targets, alpha, message",
    [
        (torch.tensor([0, 1]), 0.2, "one-hot"),
        (torch.tensor([0.5, 1.0]), 0.2, "one-hot"),
        (torch.eye(2), 0.0, "above 0"),
    ],
)
def test_mixup_refuses_class_ids_and_alpha_0(targets, alpha, message):
    with pytest.raises(ValueError, match=message):
        mixup(torch.zeros(2, 3, 4, 4), targets, alpha)


def test_cutmix_puts_boxes_of_one_image_into_another_and_counts_their_pixels():
    torch.manual_seed(3)
    images = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 20, 20)
    cut, targets = cutmix(images, torch.eye(6), alpha=1.0)
    torch.testing.assert_close(targets.sum(1), torch.ones(6))
    for index in range(6):
        assert set(cut[index].unique().tolist()) <= {float(index), *targets[index].nonzero().flatten().tolist()}
        own = (cut[index, 0] == index).float().mean()
        torch.testing.assert_close(targets[index, index], own, atol=1e-5, rtol=0)
    assert any(0 < targets[index, index] < 1 for index in range(6))


def test_with_both_a_coin_chooses_and_with_neither_nothing_happens():
    images, targets = torch.rand(4, 3, 8, 8), torch.eye(4)
    assert mixed(images, targets, 0, 0)[0] is images
    torch.manual_seed(0)
    found = set()
    for _ in range(20):
        result = mixed(images, targets, 0.4, 0.4)[0]
        found.add(bool(torch.isin(result, images).all()))  # cutmix makes no new values
    assert found == {True, False}
