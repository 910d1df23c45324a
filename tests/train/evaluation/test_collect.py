"""Samples and orders that do not depend on how images came in."""

import numpy as np

from grefel_train.evaluation.collect import SmallestDigests, canonical_order


def test_a_sample_of_embeddings_does_not_depend_on_the_order():
    random = np.random.default_rng(0)
    digests, found = random.integers(0, 2**62, 100), []
    for order in (np.arange(100), random.permutation(100)):
        sample = SmallestDigests(10)
        for part in np.array_split(order, 7):
            sample.add(digest=digests[part], row=part)
        found.append(sample.finish()["row"])
    assert found[0].tolist() == found[1].tolist() == np.argsort(digests)[:10].tolist()


def test_canonical_order_goes_by_content():
    digests, labels, groups = np.array([5, 9, 9, 1]), np.array([0, 1, 0, 1]), ["x", "y", "x", "y"]
    first = canonical_order(digests, [labels, groups])
    turned = canonical_order(digests[::-1], [labels[::-1], groups[::-1]])
    assert digests[first].tolist() == digests[::-1][turned].tolist()
    assert labels[first].tolist() == labels[::-1][turned].tolist()
