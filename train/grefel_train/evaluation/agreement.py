"""
Agreement with people: the model's distribution against the votes of several taggers.

`votes` are (M, N) fractions that sum to 1, `distributions` (M, N) the model's.
"""

import math

import torch
from torchmetrics.functional.regression import jensen_shannon_divergence, kl_divergence, spearman_corrcoef

from grefel_hf.model.reliability_balancing import confidence
from grefel_train.evaluation.metrics import is_correct, mean, top_probability

# Images by the share of votes for their most voted class: lower bound and words.
AGREEMENT_LEVELS = ((1.0, "all agree"), (0.8, "80 to 99 %"), (0.6, "60 to 79 %"), (0.0, "below 60 %"))


def agreement_metrics(votes: torch.Tensor, distributions: torch.Tensor) -> dict[str, float]:
    """
    Official probability protocol and more: accuracy (against the most voted class, the first among equals),
    kl_divergence (of the model from the votes, nats), js_divergence (nats), people_top_in_model_top_2,
    model_top_in_people_top_2 (classes with equally many votes all count, classes without votes never), and
    uncertainty_correlation: Spearman's between the entropies of the votes and of the model.
    """
    model_top_2 = distributions.topk(2, dim=-1).indices
    people_top = votes.argmax(-1)
    model_top = distributions.argmax(-1)
    second = votes.topk(2, dim=-1).values[:, 1:]  # (M, 1)
    top_two_of_people = (votes >= second) & (votes > 0)
    return {
        "accuracy": mean(is_correct(distributions, people_top)),
        "kl_divergence": kl_divergence(votes, distributions).item(),
        "js_divergence": jensen_shannon_divergence(votes, distributions).item(),
        "people_top_in_model_top_2": mean((model_top_2 == people_top[:, None]).any(-1)),
        "model_top_in_people_top_2": mean(top_two_of_people.gather(-1, model_top[:, None])),
        "uncertainty_correlation": correlation(confidence(votes), confidence(distributions)),
        "samples": len(votes),
    }


def correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    """Spearman's; NaN where one of them is constant."""
    if len(first) < 2 or (first == first[0]).all() or (second == second[0]).all():
        return math.nan
    return spearman_corrcoef(first, second).item()


def metrics_by_agreement(votes: torch.Tensor, distributions: torch.Tensor) -> list[dict]:
    """One row for each of `AGREEMENT_LEVELS` that has images, from full agreement down."""
    share = votes.max(-1).values
    correct = is_correct(distributions, votes.argmax(-1))
    rows, upper = [], math.inf
    for lower, words in AGREEMENT_LEVELS:
        members = (share >= lower - 1e-6) & (share < upper - 1e-6)
        upper = lower
        if members.any():
            of_level = votes[members], distributions[members]
            rows.append(
                {
                    "level": words,
                    "samples": int(members.sum()),
                    "people": mean(share[members]),
                    "accuracy": mean(correct[members]),
                    "top_probability": mean(top_probability(distributions[members])),
                    "confidence": mean(confidence(distributions[members])),
                    "kl_divergence": kl_divergence(*of_level).item(),
                    "js_divergence": jensen_shannon_divergence(*of_level).item(),
                }
            )
    return rows
