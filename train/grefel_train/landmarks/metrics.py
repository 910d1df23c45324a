"""How well landmarks agree with reference ones, in place and in what they say about an expression."""

import torch

from grefel_train.landmarks.teacher import eye_distance

REGIONS = {
    "jaw": range(0, 17),
    "brows": range(17, 27),
    "nose": range(27, 36),
    "eyes": range(36, 48),
    "mouth": range(48, 68),
}


def normalized_errors(predicted: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Distance of each point (M, 68, 2) to its reference, divided by the distance between the eyes; (M, 68)."""
    return (predicted - reference).norm(dim=-1) / eye_distance(reference)[:, None]


def expression_measures(points: torch.Tensor) -> dict[str, torch.Tensor]:
    """What moves with an expression, in eye distances, each (M,): openings, width of the mouth, height of the brows."""
    scale = eye_distance(points)

    def distance(first: int, second: int) -> torch.Tensor:
        return (points[:, first] - points[:, second]).norm(dim=-1) / scale

    eyes = (distance(37, 41) + distance(38, 40) + distance(43, 47) + distance(44, 46)) / 4
    brows = (points[:, 36:48].mean(1) - points[:, 17:27].mean(1)).norm(dim=-1) / scale
    return {
        "mouth_opening": distance(62, 66),
        "mouth_width": distance(48, 54),
        "eye_opening": eyes,
        "brow_height": brows,
    }


def landmark_report(predicted: torch.Tensor, reference: torch.Tensor, mean_shape: torch.Tensor) -> dict:
    """
    Args:
        predicted, reference: (M, 68, 2), as fractions of the crop.
        mean_shape: (68, 2), the baseline that answers alike for every face.

    Returns:
        normalized_mean_error (mean over faces and points), by region and of the baseline; failure_rate (share of
        faces with a mean above 0.1); correlation (Pearson) of each expression measure with the reference's; samples.
    """
    errors = normalized_errors(predicted, reference)
    ours, theirs = expression_measures(predicted), expression_measures(reference)
    return {
        "normalized_mean_error": errors.mean().item(),
        "by_region": {name: errors[:, list(points)].mean().item() for name, points in REGIONS.items()},
        "mean_shape_error": normalized_errors(mean_shape.expand_as(reference), reference).mean().item(),
        "failure_rate": (errors.mean(1) > 0.1).float().mean().item(),
        "correlation": {name: torch.corrcoef(torch.stack([ours[name], theirs[name]]))[0, 1].item() for name in ours},
        "samples": len(predicted),
    }
