"""Classes of the data in those of the model."""

import numpy as np
import pytest

from grefel_train.evaluation.label_map import describe, label_map, map_distributions


def test_label_map_by_name_and_by_pairs():
    model = ["neutral", "happiness", "anger"]
    assert label_map(["Anger", "neutral", "happy"], model).tolist() == [2, 0, 1]
    mapping = label_map(["joy", "smile", "anger", "contempt"], model, ["joy=happiness", "smile=Happiness", "contempt="])
    assert mapping.tolist() == [1, 1, 2, -1]
    assert describe(mapping, ["joy", "smile", "anger", "contempt"], model)["contempt"] is None
    votes = map_distributions(np.array([[1, 1, 1, 3], [0, 0, 0, 2]]), mapping, 3)
    np.testing.assert_allclose(votes, [[0, 2 / 3, 1 / 3], [0, 0, 0]])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "fun"),
        (["fun=smile"], "neutral, happiness"),
        (["joy=happiness"], "classes of the data are fun"),
        (["fun"], "DATA=MODEL"),
        (["fun="], "all classes"),
    ],
)
def test_a_label_map_that_does_not_fit_says_so(pairs, message):
    with pytest.raises(ValueError, match=message):
        label_map(["fun"], ["neutral", "happiness"], pairs)
