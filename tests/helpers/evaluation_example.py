"""An evaluation.json such as train/evaluate.py writes, made by hand for three classes."""

LABELS = ("neutral", "happiness", "surprise")

_BINS = [{"lower": i / 5, "upper": (i + 1) / 5, "samples": 0, "confidence": None, "accuracy": None} for i in range(5)]
_CORRECTED = {
    "accuracy": 0.8,
    "macro_recall": 0.7,
    "expected_calibration_error": 0.05,
    "samples": 100,
    "recall_by_class": {"neutral": 0.9, "happiness": 0.8, "surprise": 0.4},
    "support_by_class": {"neutral": 50, "happiness": 40, "surprise": 10},
    "confusion": [[45, 4, 1], [6, 32, 2], [3, 3, 4]],
    "reliability_bins": [
        *_BINS[:3],
        {"lower": 0.6, "upper": 0.8, "samples": 40, "confidence": 0.7, "accuracy": 0.6},
        {"lower": 0.8, "upper": 1.0, "samples": 60, "confidence": 0.95, "accuracy": 0.93},
    ],
    "confidence_thresholds": [
        {"threshold": 0.0, "coverage": 1.0, "answers": 100, "accuracy": 0.8},
        {"threshold": 0.4, "coverage": 0.8, "answers": 80, "accuracy": 0.9},
        {"threshold": 0.9, "coverage": 0.0, "answers": 0, "accuracy": None},
    ],
    "intervals": {"accuracy": [0.75, 0.85]},
}
EVALUATION = {
    "dataset": "FER+",
    "split": "validation",
    "protocol": "majority",
    "plain": {
        "primary": {"accuracy": 0.78, "macro_recall": 0.65, "samples": 100, "confusion": _CORRECTED["confusion"]},
        "corrected": _CORRECTED,
        "balancing": {"labels_changed": 5, "mended": 3, "spoilt": 1},
    },
}
