"""GReFEL model configuration."""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from .remote_code import SavedWithCode, without_code_entries
from .sizes import GREFEL_SIZES

# Channels and strides of each image backbone's pyramid, and strides of the landmark backbone's (always MobileFaceNet,
# whose channels `mobilefacenet_channels` sets).
PYRAMIDS = {
    "iresnet50": {"channels": (64, 128, 256), "strides": (2, 4, 8)},
    "mobilefacenet": {"strides": (4, 8, 16)},
    "mobilenet_v1": {"channels": (256, 512, 1024), "strides": (8, 16, 32)},  # at width 1
}

LARGEST_WIDTH = 4  # of MobileNet v1
ANCHOR_DISTANCES = ("euclidean", "cosine")

# The largest entries: a configuration of strangers must not ask for more memory than there is. "base" needs a quarter
# of each at most.
LARGEST_ENTRIES = {
    "image_size": 1024,
    "image_backbone_size": 512,
    "landmark_backbone_size": 512,
    "iresnet_depths": 64,
    "mobilefacenet_channels": 2048,
    "mobilefacenet_depths": 64,
    "fusion_channels": 2048,
    "fusion_num_heads": 128,
    "window_sizes": 56,
    "fusion_mlp_ratio": 16,
    "hidden_size": 4096,
    "num_hidden_layers": 64,
    "num_attention_heads": 128,
    "intermediate_size": 16384,
    "classifier_hidden_size": 4096,
    "num_anchors": 1024,
    "correction_size": 4096,
    "correction_num_heads": 128,
}
MOST_LABELS = 1000
LONGEST_LABEL = 100  # characters


def halve(size: int) -> int:
    """Side of a map after a stride-2 3x3 convolution with padding 1."""
    return (size + 1) // 2


def pyramid_grid(size: int, stride: int) -> int:
    """Side of the feature map that a backbone makes at `stride` (a power of two) from an image of side `size`."""
    while stride > 1:
        size, stride = halve(size), stride // 2
    return size


def scaled_channels(channels: int, width: float) -> int:
    """Channels of a MobileNet layer that has `channels` at width 1; at least 8."""
    return max(8, int(channels * width))


@strict
class GReFELConfig(SavedWithCode, PreTrainedConfig):
    r"""
    Configuration of a GReFEL model. The defaults are grefel-small; `GReFELConfig.from_size("base")` is the paper's
    model. Equation numbers are those of the paper (Wasi et al., 2024).

    image_size (`int`, defaults to 112):
        Side of the square face crop that the model takes, in pixels.
    num_channels (`int`, defaults to 3):
        Channels of the crop: red, green and blue, and nothing else.
    image_backbone (`str`, defaults to `"mobilefacenet"`):
        `"mobilefacenet"`, `"mobilenet_v1"` (all 13 pairs) or `"iresnet50"` (the first three stages of face.evoLVe's
        IR-50).
    image_backbone_size, landmark_backbone_size (`int`, defaults to 112 and 56):
        The crop is resized to these sides before each backbone. The three maps of both must come out equally large.
    iresnet_depths (`tuple[int, int, int]`, defaults to `(3, 4, 14)`):
        Residual units per stage of the `"iresnet50"` backbone.
    mobilenet_width (`float`, defaults to 1.0):
        Multiplies the channels of the `"mobilenet_v1"` backbone.
    mobilefacenet_channels, mobilefacenet_depths (`tuple[int, int, int]`, defaults to `(64, 128, 512)` and `(5, 7, 3)`):
        Widths of the maps of every MobileFaceNet (the landmark backbone is one), and its bottlenecks per stage.
        Published weights have the defaults.
    downsample_image_pyramid (`bool`, defaults to `True`):
        Halve each level of the image pyramid by a stride-2 convolution before the fusion.
    projection_kernel_size (`int`, defaults to 3):
        Side of the convolutions that bring maps of the backbones to the width of the fusion where it differs; 1 is
        faster.
    fusion_channels, fusion_num_heads, window_sizes (`tuple[int, int, int]`):
        Width, attention heads and window side (in cells) of the window cross-attention, per level, fine to coarse.
    fusion_mlp_ratio (`int`, defaults to 4):
        Width of the MLP after the window cross-attention, as a multiple of the level's width.
    layer_scale_init_value (`float`, defaults to 1e-5):
        Start of LayerScale on both residual branches of the fusion.
    hidden_size, num_hidden_layers, num_attention_heads, intermediate_size (`int`):
        The multi-scale ViT. `hidden_size` is also the dimension of the embedding e.
    hidden_act (`str`, defaults to `"gelu"`):
        Activation of the MLPs in the fusion and the ViT.
    hidden_dropout_prob, attention_probs_dropout_prob (`float`, defaults to 0.0):
        Dropout of the ViT's tokens and of its attention weights.
    initializer_range (`float`, defaults to 0.02):
        Standard deviation of the random start of linear layers and embeddings.
    layer_norm_eps (`float`, defaults to 1e-6):
        Added to the variance in every layer norm.
    classifier_hidden_size (`int`, defaults to 64), classifier_dropout (`float`, defaults to 0.5):
        The primary head: an MLP with two hidden layers.
    use_anchors, use_attentive_correction (`bool`, defaults to `True`):
        The two parts of reliability balancing. Both off is the paper's "without reliability balancing"; the four
        combinations are the four rows of its Table 2.
    num_anchors (`int`, defaults to 8):
        Anchors per class, K.
    anchor_temperature (`float`, defaults to 1.0):
        Delta of Eq. 14. Smaller values make the nearest anchors count for more.
    anchor_distance (`str`, defaults to `"euclidean"`):
        d of Eq. 13: `"euclidean"`, as in the paper, or `"cosine"`, which cannot be met by leaving the region of the
        embeddings; `anchor_loss` and `center_loss` then use embeddings and anchors of length sqrt(`hidden_size`).
    learn_anchor_temperature (`bool`, defaults to `False`):
        Train delta, from `anchor_temperature` on, and save it with the weights.
    anchor_initializer_range (`float`, defaults to 0.5):
        Standard deviation of the random start of the anchors; about that of a component of e at the start.
    correction_size, correction_num_heads (`int`, defaults to 64 and 4):
        Total width and heads of the attentive correction's self-attention.
    classification_loss_weight, anchor_loss_weight, center_loss_weight (`float`):
        The lambdas of Eq. 23.
    primary_loss_weight (`float`, defaults to 0.0):
        Weight of an auxiliary negative log-likelihood on the primary distribution. Not in the paper.
    geometric_loss_weight (`float`, defaults to 0.0):
        The same on the geometric correction, without which far anchors get no gradient: a correction without
        confidence has no weight in the corrected distribution. Not in the paper.
    attentive_loss_weight (`float`, defaults to 0.0):
        The same on the attentive correction. Not in the paper.
    detach_confidences (`bool`, defaults to `False`):
        Let no gradient through the confidences of Eq. 18 and 19, so that a part is not rewarded for being sure. Not in
        the paper.
    anchor_margin (`float`, defaults to 2.0):
        Squared distance per dimension at which two anchors stop repelling each other (see `anchor_loss`), as a
        multiple of the embeddings' variance; 2 is the mean squared distance of two embeddings.
    class_weights (`list[float]`, *optional*):
        One weight per class for the classification loss.
    freeze_landmark_backbone (`bool`, defaults to `True`):
        Keep the landmark backbone (and its head) fixed and in eval mode during training.
    freeze_batch_norms (`bool`, defaults to `False`):
        Keep every batch norm in eval mode during training. Adapters (PEFT) need it: they are saved without the running
        statistics, which would otherwise have moved.
    landmark_head (`bool`, defaults to `False`):
        Whether there is a 68-point head; without one, `landmarks` is None in the output. It is fixed in any case.
    save_code (`bool`, defaults to `True`):
        Whether `save_pretrained`, `push_to_hub` and Trainer put copies of the code beside the weights, with which
        anybody can load them by `trust_remote_code=True`.
    """

    model_type = "grefel"
    code_entries = {
        "auto_map": {
            "AutoConfig": "configuration_grefel.GReFELConfig",
            "AutoModel": "modeling_grefel.GReFELModel",
            "AutoModelForImageClassification": "modeling_grefel.GReFELForImageClassification",
        },
        "custom_pipelines": {
            "facial-expression-recognition": {
                "impl": "pipeline_grefel.FacialExpressionPipeline",
                "pt": ["AutoModelForImageClassification"],
                "type": "image",
            }
        },
    }
    # Trainer hands metrics the logits alone: of the other fields, losses have no batch axis.
    keys_to_ignore_at_inference = [
        *("hidden_states", "attentions", "primary_logits", "geometric_correction", "attentive_correction"),
        *("correction", "primary_confidence", "geometric_confidence", "attentive_confidence"),
        *("correction_confidence", "corrected_confidence", "anchor_similarities", "embedding", "landmarks"),
        *("attention_map", "classification_loss", "anchor_loss", "center_loss"),
        *("primary_loss", "geometric_loss", "attentive_loss"),
    ]

    image_size: int = 112
    num_channels: int = 3
    image_backbone: str = "mobilefacenet"
    image_backbone_size: int = 112
    landmark_backbone_size: int = 56
    iresnet_depths: list[int] | tuple[int, ...] = (3, 4, 14)
    mobilenet_width: float | int = 1.0
    mobilefacenet_channels: list[int] | tuple[int, ...] = (64, 128, 512)
    mobilefacenet_depths: list[int] | tuple[int, ...] = (5, 7, 3)
    downsample_image_pyramid: bool = True
    projection_kernel_size: int = 3
    fusion_channels: list[int] | tuple[int, ...] = (64, 128, 256)
    fusion_num_heads: list[int] | tuple[int, ...] = (2, 4, 8)
    window_sizes: list[int] | tuple[int, ...] = (14, 7, 4)
    fusion_mlp_ratio: int = 4
    layer_scale_init_value: float = 1e-5
    hidden_size: int = 256
    num_hidden_layers: int = 2
    num_attention_heads: int = 8
    intermediate_size: int = 1024
    hidden_act: str = "gelu"
    hidden_dropout_prob: float | int = 0.0
    attention_probs_dropout_prob: float | int = 0.0
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-6
    classifier_hidden_size: int = 64
    classifier_dropout: float | int = 0.5
    use_anchors: bool = True
    use_attentive_correction: bool = True
    num_anchors: int = 8
    anchor_temperature: float | int = 1.0
    learn_anchor_temperature: bool = False
    anchor_distance: str = "euclidean"
    anchor_initializer_range: float = 0.5
    correction_size: int = 64
    correction_num_heads: int = 4
    classification_loss_weight: float | int = 1.0
    anchor_loss_weight: float | int = 0.1
    center_loss_weight: float | int = 0.1
    primary_loss_weight: float | int = 0.0
    geometric_loss_weight: float | int = 0.0
    attentive_loss_weight: float | int = 0.0
    detach_confidences: bool = False
    anchor_margin: float | int = 2.0
    class_weights: list[float] | None = None
    freeze_landmark_backbone: bool = True
    freeze_batch_norms: bool = False
    landmark_head: bool = False
    save_code: bool = True

    def __post_init__(self, **kwargs):
        self._check_sizes()
        self._check_choices()
        self._check_grids()
        self._check_label_count(kwargs.get("num_labels"))  # before there is a name for each
        super().__post_init__(**without_code_entries(kwargs))
        self.check_labels()
        if self.class_weights is not None and len(self.class_weights) != self.num_labels:
            raise ValueError(f"class_weights has {len(self.class_weights)} entries for {self.num_labels} labels.")

    @classmethod
    def from_size(cls, size: str, **overrides) -> "GReFELConfig":
        """The configuration of `size` ("small" or "base"); keyword arguments replace single entries."""
        if size not in GREFEL_SIZES:
            raise ValueError(f"Unknown size {size!r}: choose one of {', '.join(GREFEL_SIZES)}.")
        return cls(**{**GREFEL_SIZES[size], **overrides})

    @property
    def image_backbone_channels(self) -> tuple[int, ...]:
        """Channels of the image backbone's maps, per level."""
        channels = PYRAMIDS[self.image_backbone].get("channels", self.mobilefacenet_channels)
        if self.image_backbone == "mobilenet_v1":
            return tuple(scaled_channels(c, self.mobilenet_width) for c in channels)
        return tuple(channels)

    @property
    def fusion_grids(self) -> tuple[int, ...]:
        """Side of the map on which image and landmarks are fused, per level, in cells."""
        grids = [pyramid_grid(self.image_backbone_size, s) for s in PYRAMIDS[self.image_backbone]["strides"]]
        return tuple(halve(grid) if self.downsample_image_pyramid else grid for grid in grids)

    @property
    def landmark_grids(self) -> tuple[int, ...]:
        """Side of the landmark backbone's map, per level, in cells."""
        return tuple(pyramid_grid(self.landmark_backbone_size, s) for s in PYRAMIDS["mobilefacenet"]["strides"])

    @property
    def num_visual_tokens(self) -> int:
        """Tokens of the ViT without CLS: all levels on the coarsest grid."""
        return len(self.fusion_grids) * self.fusion_grids[-1] ** 2

    def _check_sizes(self):
        for name, most in LARGEST_ENTRIES.items():
            value = getattr(self, name)
            for size in value if isinstance(value, list | tuple) else (value,):
                if not isinstance(size, int) or not 0 < size <= most:
                    raise ValueError(f"{name} is {value!r}: it must be from 1 to {most}.")

    def _check_label_count(self, count: int | None):
        if count is not None and count > MOST_LABELS:
            raise ValueError(f"num_labels is {count}: at most {MOST_LABELS} classes are possible.")

    def check_labels(self):
        """Raises ValueError for labels that no distribution over classes can have."""
        labels = list(self.id2label.values())
        self._check_label_count(len(labels))
        if sorted(self.id2label) != list(range(len(labels))):
            raise ValueError("id2label must name the classes 0, 1, 2 and so on, without a gap.")
        for label in labels:
            if not isinstance(label, str) or len(label) > LONGEST_LABEL or not label.isprintable():
                raise ValueError(
                    f"id2label names a class {str(label)[:LONGEST_LABEL]!r}: names are text of at most "
                    f"{LONGEST_LABEL} characters that can be printed."
                )
        if self.num_labels < 2:
            raise ValueError(f"num_labels is {self.num_labels}: a distribution over classes needs at least 2.")
        if self.problem_type not in (None, "single_label_classification"):
            raise ValueError(
                f"problem_type is {self.problem_type!r}: GReFEL gives one distribution over exclusive classes; for "
                "soft labels pass distributions (batch, num_labels) as labels, and leave problem_type out."
            )

    def _check_choices(self):
        if self.num_channels != 3:
            raise ValueError(f"num_channels is {self.num_channels}: the backbones take 3 (the image processor's RGB).")
        if self.image_backbone not in PYRAMIDS:
            raise ValueError(f"image_backbone is {self.image_backbone!r}: choose one of {', '.join(PYRAMIDS)}.")
        levels = ("iresnet_depths", "mobilefacenet_channels", "mobilefacenet_depths", "fusion_channels")
        for name in (*levels, "fusion_num_heads", "window_sizes"):
            if len(getattr(self, name)) != 3:
                raise ValueError(f"{name} needs three entries, one per level, and has {len(getattr(self, name))}.")
        widths = [("hidden_size", self.hidden_size, self.num_attention_heads)]
        widths += [("correction_size", self.correction_size, self.correction_num_heads)]
        widths += [("fusion_channels", c, h) for c, h in zip(self.fusion_channels, self.fusion_num_heads)]
        for name, width, heads in widths:
            if heads < 1 or width % heads:
                raise ValueError(f"{name} ({width}) must be a multiple of its number of attention heads ({heads}).")
        if self.anchor_distance not in ANCHOR_DISTANCES:
            raise ValueError(
                f"anchor_distance is {self.anchor_distance!r}: choose one of {', '.join(ANCHOR_DISTANCES)}."
            )
        if self.projection_kernel_size not in (1, 3):
            raise ValueError(f"projection_kernel_size is {self.projection_kernel_size}: choose 1 or 3.")
        if self.mobilenet_width > LARGEST_WIDTH:
            raise ValueError(f"mobilenet_width is {self.mobilenet_width}: it is at most {LARGEST_WIDTH}.")
        for name in ("anchor_temperature", "anchor_initializer_range", "mobilenet_width"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive and is {getattr(self, name)}.")

    def _check_grids(self):
        if self.fusion_grids != self.landmark_grids:
            raise ValueError(
                f"The image maps have sides {self.fusion_grids} and the landmark maps {self.landmark_grids}; "
                "change image_backbone_size, landmark_backbone_size or downsample_image_pyramid so that they agree."
            )
        for grid, window in zip(self.fusion_grids, self.window_sizes):
            if window < 1 or grid % window:
                raise ValueError(f"A map of side {grid} cannot be cut into windows of side {window} (window_sizes).")


__all__ = ["GREFEL_SIZES", "GReFELConfig"]
