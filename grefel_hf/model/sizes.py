"""The sizes of GReFEL by name, for command lines too, which do not wait for transformers."""

from typing import Any

# What differs from the defaults of `GReFELConfig`, which are grefel-small's.
GREFEL_SIZES: dict[str, dict[str, Any]] = {
    "small": {},
    "base": {
        "image_size": 224,
        "image_backbone": "iresnet50",
        "landmark_backbone_size": 112,
        "window_sizes": (28, 14, 7),
        "hidden_size": 768,
        "intermediate_size": 3072,
    },
}
