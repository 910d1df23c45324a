"""The score that tells crops whose expression can be read from others, trained on a frozen network's embeddings."""

from collections.abc import Sequence

import numpy as np
import torch

from grefel_hf.reliability import Answerability
from grefel_train.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from grefel_train.reliability.seen import Seen

HIDDEN = 16
STEPS, LEARNING_RATE, WEIGHT_DECAY = 300, 1e-2, 1e-3
# Of kept-out images at most so many without a face are answered, unless that keeps silent about more faces.
MOST_ANSWERED, MOST_LOST = 0.03, 0.03
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


def fit_answerability(faces: Seen, others: Seen, seed: int = 0) -> Answerability:
    """
    Its hidden layer, on as much weight of faces that can be read as of other crops. No crop is answered by it yet: see
    `with_threshold`.
    """
    features = np.concatenate([_raw_features(faces), _raw_features(others)]).astype(np.float64)
    mean, scale = features.mean(0), features.std(0) + 1e-4
    blank = np.zeros((1, features.shape[-1]))
    head = Answerability(tuple(faces.confidences), mean, scale, blank, np.zeros(1), np.zeros(1), 0.0, 0.0, 0.0)
    inputs = [torch.tensor(head.features(seen.embeddings, seen.confidences)).float() for seen in (faces, others)]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = torch.nn.Sequential(
            torch.nn.Linear(features.shape[-1], HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, 1)
        )
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
    for _ in range(STEPS):
        wrong = [torch.nn.functional.softplus(sign * network(x)).mean() for sign, x in zip((-1, 1), inputs)]
        optimizer.zero_grad()
        sum(wrong).backward()
        optimizer.step()
        scheduler.step()
    hidden, output = network[0], network[2]
    weights = (hidden.weight, hidden.bias, output.weight[0], output.bias[0])
    hidden_weights, hidden_bias, output_weights, output_bias = (w.detach().double().numpy().round(5) for w in weights)
    layers = (hidden_weights, hidden_bias, output_weights, float(output_bias))
    return Answerability(head.parts, mean.round(6), scale.round(6), *layers, threshold=0.0, clear_from=0.0)


def with_threshold(head: Answerability, faces: Seen, others: Seen) -> Answerability:
    """
    The same with its thresholds.

    Args:
        faces: undisturbed ones, that it was not trained on.
        others: crops without a face, likewise.
    """
    of_faces, of_others = (scores(head, seen) for seen in (faces, others))
    threshold = min(np.quantile(of_others, 1 - MOST_ANSWERED), np.quantile(of_faces, MOST_LOST))
    clear_from = max(threshold, np.quantile(of_faces, 1 - CLEAR_SHARE))
    entries = vars(head) | {"threshold": round(float(threshold), 6), "clear_from": round(float(clear_from), 6)}
    return Answerability(**entries)


def scores(head: Answerability, seen: Seen) -> np.ndarray:
    """(M,)."""
    return head(seen.embeddings, seen.confidences)


def _raw_features(seen: Seen) -> np.ndarray:
    return np.concatenate([seen.embeddings, *(values[:, None] for values in seen.confidences.values())], -1)
