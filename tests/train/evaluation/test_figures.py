"""The look of the report's figures."""

import matplotlib.colors
import numpy as np

from grefel_hf.palette import class_colours
from grefel_train.evaluation.figures import embedding_diagram


def test_a_class_has_its_own_colour_in_any_order():
    for names in (("neutral", "happiness", "anger"), ("surprise", "fear", "happiness")):
        points, labels = np.arange(12.0).reshape(6, 2), np.repeat(np.arange(3), 2)
        figure = embedding_diagram(points, labels, np.zeros((0, 2)), np.zeros(0, int), names)
        shown = [matplotlib.colors.to_hex(dots.get_facecolor()[0]) for dots in figure.axes[0].collections]
        assert shown == [class_colours(names)[name] for name in names]
