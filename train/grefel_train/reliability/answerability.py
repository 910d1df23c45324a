"""The score that tells crops whose expression can be read from others, fitted to what a frozen network says of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grefel_hf.reliability import Answerability, output_rows, standardized
from grefel_hf.results import PARTS
from grefel_train.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from grefel_train.reliability.seen import Seen

# What it looks at, of what the network has. Landmarks tell most: they keep the shape of a face on faces only.
FIELDS = ("embedding", "landmarks", *(f"{part}_confidence" for part in PARTS))
TARGET = 2.0  # of the score before its logistic; minus that of other crops
RIDGE = 0.003  # the penalty on squared weights, of standardised features, against squared errors averaged over images
DISTURBED_WEIGHT = 0.5  # of all disturbed faces against all undisturbed ones
# Of crops without a face at most so many are answered, unless that keeps silent about more faces.
MOST_ANSWERED, MOST_LOST = 0.02, 0.025
CLEAR_SHARE = 0.9  # of undisturbed faces: those with the highest scores
# A disturbance under which so few answers are right makes a face unanswerable, one under which so many are does not.
UNREADABLE, READABLE = 0.5, 0.65
ALWAYS_UNREADABLE = (("noise", 5), ("blur", 5))


def readable(right: np.ndarray, conditions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], bool | None]:
    """
    Whether faces can be read, by kind and severity of disturbance: by the share of right answers, which is taken not to
    rise with severity. None for in between.

    Args:
        right: (M,) bool, of disturbed faces.
        conditions: kind and severity of each.
    """
    of_condition: dict[tuple[str, int], list[bool]] = {}
    for condition, was_right in zip(conditions, right):
        of_condition.setdefault(condition, []).append(was_right)
    found: dict[tuple[str, int], bool | None] = {}
    for kind in CORRUPTIONS:
        least = 1.0
        for severity in SEVERITIES:
            least = min(least, float(np.mean(of_condition[kind, severity])))
            always = (kind, severity) in ALWAYS_UNREADABLE
            found[kind, severity] = False if always or least < UNREADABLE else (True if least >= READABLE else None)
    return found


def fit_answerability(faces: Sequence[tuple[Seen, float]], others: Sequence[tuple[Seen, float]]) -> Answerability:
    """
    Its weights, by least squares with a penalty. A hidden layer let more crops pass that it had not been shown. No crop
    is answered by it yet: see `with_threshold`.

    Args:
        faces: groups that can be read, with the weight of each as a whole.
        others: likewise; what all faces weigh together, all others weigh.
    """
    fields = tuple(name for name in FIELDS if name in faces[0][0].outputs)
    groups = [
        (seen, weight / sum(each for _, each in side), sign)
        for side, sign in ((faces, 1), (others, -1))
        for seen, weight in side
    ]
    rows = np.concatenate([output_rows(seen.outputs, fields) for seen, *_ in groups]).astype(np.float64)
    mean, scale = rows.mean(0).round(5), rows.std(0).round(5) + 1e-4
    features = np.hstack([standardized(rows, mean, scale), np.ones((len(rows), 1))])
    target = np.concatenate([np.full(len(seen), sign * TARGET) for seen, _, sign in groups])
    weight = np.concatenate([np.full(len(seen), share / len(seen) / 2) for seen, share, _ in groups])
    weighted = features.T * weight
    solved = np.linalg.solve(weighted @ features + RIDGE * np.eye(features.shape[1]), weighted @ target).round(5)
    return Answerability(fields, mean, scale, solved[:-1], float(solved[-1]), threshold=0.0, clear_from=0.0)


def with_threshold(head: Answerability, of_faces: np.ndarray, of_others: np.ndarray) -> Answerability:
    """
    The same with its thresholds.

    Args:
        of_faces: scores (M,) of undisturbed ones, by heads that were not fitted to them.
        of_others: of crops without a face, likewise.
    """
    threshold = min(np.quantile(of_others, 1 - MOST_ANSWERED), np.quantile(of_faces, MOST_LOST))
    clear_from = max(threshold, np.quantile(of_faces, 1 - CLEAR_SHARE))
    return replace(head, threshold=round(float(threshold), 6), clear_from=round(float(clear_from), 6))
