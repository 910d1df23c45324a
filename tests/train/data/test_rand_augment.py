"""RandAugment: each operation is what it is called, and each image gets its own."""

import pytest
import torch

from grefel_train.data import rand_augment as policy
from grefel_train.data.augmentation import FaceAugmentation
from grefel_train.data.rand_augment import OPERATIONS, rand_augment


def faces(count: int = 8, channels: int = 3, size: int = 24) -> torch.Tensor:
    """Slanted stripes with a bright spot, between 0.2 and 0.8, a colour for each channel."""
    row, column = torch.meshgrid(torch.arange(float(size)), torch.arange(float(size)), indexing="ij")
    stripes = 0.5 + 0.25 * torch.sin(0.5 * row + 0.9 * column + torch.arange(channels)[:, None, None])
    stripes[:, 4:7, 8:11] = 0.8
    return stripes.expand(count, -1, -1, -1).clone()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_an_operation_changes_images_within_their_shape(operation, channels):
    images = faces(2, channels)
    amounts = torch.tensor([1.0, -1.0]).view(-1, 1, 1, 1)
    changed = operation(images, amounts)
    assert changed.shape == images.shape and changed.isfinite().all()
    still = operation is policy.unchanged or (operation is policy.saturation and channels == 1)
    assert torch.allclose(changed, images, atol=1e-6) == still
    if operation not in (policy.unchanged, policy.full_range):
        little = operation(images, 1e-4 * amounts)
        assert (little - images).abs().max() < 0.01  # nothing at no strength


def test_the_names_hold():
    images, full = faces(1), torch.ones(1, 1, 1, 1)
    assert policy.brightness(images, full).mean() > 1.4 * images.mean()
    assert policy.contrast(images, full).std() > 1.4 * images.std()
    assert torch.allclose(policy.contrast(images, full).mean(), images.mean(), atol=1e-6)
    assert policy.fewer_levels(images, full).unique().numel() <= 16
    assert policy.full_range(images, full).amin() == 0 and policy.full_range(images, full).amax() == 1
    assert policy.solarization(images, full).max() <= 0.5 + 1e-6
    shifted = policy.shift_across(images, full / 1.2)  # by 3 of 24 pixels
    assert torch.allclose(shifted[..., :20], images[..., 3:23], atol=1e-4)
    turned = policy.rotation(images, 3 * full)  # by 90 degrees
    assert torch.allclose(turned, images.rot90(1, (2, 3)), atol=1e-4) or torch.allclose(
        turned, images.rot90(-1, (2, 3)), atol=1e-4
    )


def test_each_image_has_operations_of_its_own_and_a_seed_settles_them():
    images = faces(64)
    torch.manual_seed(0)
    changed = rand_augment(images, 2, 1.0)
    assert len({tuple(image.flatten()[::7].tolist()) for image in changed}) > 32
    torch.manual_seed(0)
    assert torch.equal(rand_augment(images, 2, 1.0), changed)
    assert changed.min() >= 0 and changed.max() <= 1 and torch.equal(images, faces(64))


def test_it_takes_the_place_of_what_was_made_for_faces():
    images = faces(32, size=32)
    torch.manual_seed(0)
    changed = FaceAugmentation(24, strength=1.0, rand_augment_operations=2)(images)
    assert changed.shape == (32, 3, 24, 24) and changed.min() >= 0 and changed.max() <= 1
    assert not (changed == 0.5).all(1).flatten(1).sum(1).gt(20).any()  # no box is erased
