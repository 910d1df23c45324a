"""The report's figures: a class has the page's colour, whatever the order of the classes."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from grefel_hf.palette import class_colours
from grefel_train.data.adapters.rafdb import LABEL_NAMES
from grefel_train.evaluation.figures import embedding_diagram

FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


@pytest.mark.parametrize("names", [FERPLUS, tuple(LABEL_NAMES)], ids=["FER+", "RAF-DB"])
def test_a_class_has_one_colour_on_the_page_and_in_the_report(names):
    count = len(names)
    points = np.random.default_rng(0).normal(size=(count, 2))
    figure = embedding_diagram(points, np.arange(count), points, np.arange(count), names)
    drawn = [to_hex(dots.get_facecolor()[0]) for dots in figure.axes[0].collections]  # dots, then stars, of each class
    expected = class_colours(FERPLUS)  # the page's, for a model of FER+
    assert drawn == [expected[name] for name in names for _ in ("dots", "stars")]
