"""Which training images an epoch sees, and in which order: plain shuffling, balancing, data refinement."""

import logging

import numpy as np
import torch

logger = logging.getLogger(__name__)


class EpochShuffleSampler(torch.utils.data.Sampler[int]):
    """
    Every index once, in an order that depends on seed and epoch alone.

    Unlike torch's RandomSampler it neither draws from nor moves torch's global generator, so that every process of a
    run sees the same order and a resumed epoch is the epoch that was interrupted.

    accelerate cuts the batches of a sampler among the processes, and `set_epoch` of its prepared loader reaches the
    sampler. It does not through the loader that `accelerate.skip_first_batches` returns where there are several
    processes: call it on the prepared loader first.
    """

    def __init__(self, length: int, seed: int):
        self.length = length
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int):
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self):
        yield from epoch_generator(self.seed, self.epoch).permutation(self.length).tolist()


class BalancedSampler(torch.utils.data.Sampler[int]):
    """
    As many indices as there are images, drawn with replacement, so that a class of n images is seen in proportion to
    n ** (1 - power). Under accelerate it behaves as `EpochShuffleSampler` does.

    Args:
        labels: (M,) class ids.
        power: 0 draws every image alike, 1 every class.
        seed: with the epoch it settles what is drawn.
    """

    def __init__(self, labels: np.ndarray, power: float, seed: int):
        weights = np.bincount(labels).clip(1) ** -power
        self.chances = weights[labels] / weights[labels].sum()
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int):
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.chances)

    def __iter__(self):
        generator = epoch_generator(self.seed, self.epoch)
        yield from generator.choice(len(self.chances), len(self.chances), p=self.chances).tolist()


class DataRefinementSampler(torch.utils.data.Sampler[int]):
    """
    Balanced epochs (paper, section 4.1): at most N_pg images of each group are drawn at random into a pool, and from
    the pool B of each class.

    A class with fewer than B images in the pool is drawn from with replacement, and one that the pool misses from all
    its images, also with replacement if need be; either is logged with class and count (the first time as a warning).
    Under accelerate it behaves as `EpochShuffleSampler` does.

    Args:
        labels: (M,) class ids.
        groups: (M,) video, subject or character of each image, numbers or text; None stands for one group.
        pool_per_group: N_pg, 512 in the paper.
        per_class: B, 500 in the paper.
        seed: with the epoch it settles which images are drawn and their order.

    Raises:
        ValueError: if there are no labels, N_pg or B is not positive, or `groups` has another length than `labels`.
    """

    def __init__(self, labels: np.ndarray, groups: np.ndarray | None, pool_per_group: int, per_class: int, seed: int):
        self.labels = np.asarray(labels)
        if not len(self.labels):
            raise ValueError("There are no images to sample from.")
        if min(pool_per_group, per_class) < 1:
            raise ValueError(f"N_pg and B are at least 1, not {pool_per_group} and {per_class}.")
        groups = np.zeros(len(self.labels)) if groups is None else np.asarray(groups)
        if len(groups) != len(self.labels):
            raise ValueError(f"{len(self.labels)} labels but {len(groups)} groups: one group per image is needed.")
        self.groups = np.unique(groups, return_inverse=True)[1]
        self.classes = np.unique(self.labels)
        self.pool_per_group = pool_per_group
        self.per_class = per_class
        self.seed = seed
        self.epoch = 0
        self.warned_classes: set[int] = set()

    def set_epoch(self, epoch: int):
        self.epoch = epoch

    def __len__(self) -> int:
        return self.per_class * len(self.classes)

    def __iter__(self):
        generator = epoch_generator(self.seed, self.epoch)
        pool = draw_per_group(self.groups, self.pool_per_group, generator)
        drawn = []
        for class_id in self.classes:
            members = pool[self.labels[pool] == class_id]
            if len(members) < self.per_class:
                self._log_short_class(int(class_id), len(members))
            if not len(members):
                members = np.flatnonzero(self.labels == class_id)
            drawn.append(generator.choice(members, self.per_class, replace=len(members) < self.per_class))
        yield from generator.permutation(np.concatenate(drawn)).tolist()

    def _log_short_class(self, class_id: int, count: int):
        level = logging.INFO if class_id in self.warned_classes else logging.WARNING
        self.warned_classes.add(class_id)
        how = "with replacement" if count else "from all images of the class"
        logger.log(
            level,
            f"Epoch {self.epoch}: the pool holds {count} images of class {class_id}, fewer than the {self.per_class} "
            f"per class; they are drawn {how}.",
        )


def draw_per_group(groups: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Indices of `count` random members of each group, or of all where it has fewer; `groups` are ids from 0 (M,)."""
    order = generator.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]  # group after group, shuffled within each
    sizes = np.bincount(groups)
    first = np.cumsum(sizes) - sizes
    rank = np.arange(len(groups)) - first[groups[order]]
    return order[rank < count]


def epoch_generator(seed: int, epoch: int) -> np.random.Generator:
    """Random numbers that depend on seed and epoch; those of (0, 1) and (1, 0) have nothing in common."""
    return np.random.default_rng((seed, epoch))
