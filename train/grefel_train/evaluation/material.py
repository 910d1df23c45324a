"""What figures and the gallery need beside metrics.json."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grefel_train.evaluation.collect import Collected, EvaluationFaces
from grefel_train.evaluation.images import EvaluationData


@dataclass(frozen=True)
class Material:
    """
    Attributes:
        seen: what the model said, in canonical order.
        anchors: (N, K, D), or None.
        model_names: all N classes of the model.
    """

    seen: Collected
    data: EvaluationData
    faces: EvaluationFaces
    anchors: np.ndarray | None
    model_names: Sequence[str]

    def labels(self) -> np.ndarray:
        """True class by row of the data, as an id in the model; -1 for none."""
        return np.where(self.data.labels >= 0, self.data.classes[self.data.labels], -1)
