"""The images nearest to each anchor."""

import numpy as np

from grefel_train.evaluation.gallery import nearest_images


def test_nearest_images_of_each_anchor():
    embeddings = np.array([[0.0, 0.0], [3.0, 0.0], [1.0, 0.0]])
    assert nearest_images(embeddings, np.array([[0.9, 0.0], [4.0, 0.0]]), 2).tolist() == [[2, 0], [1, 2]]
