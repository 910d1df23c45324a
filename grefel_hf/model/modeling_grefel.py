"""
PyTorch GReFEL model, in the order of the paper.

Two backbones make feature pyramids, window cross-attention fuses them at three levels (Eq. 1 to 5), a small ViT makes
an embedding of all levels (Eq. 6 to 8), an MLP gives the primary label distribution (Eq. 9), and reliability
balancing corrects it (Eq. 10 to 19).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import ImageClassifierOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils import ModelOutput, is_torchdynamo_exporting
from transformers.utils.generic import can_return_tuple, maybe_autocast, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .backbone_iresnet import IResNet
from .backbone_mobilefacenet import MobileFaceNet, MobileFaceNetLandmarkHead
from .backbone_mobilenet_v1 import MobileNetV1
from .configuration_grefel import GReFELConfig, halve
from .losses import anchor_loss, as_distribution, center_loss, classification_loss
from .reliability_balancing import (
    PROBABILITY_EPSILON,
    GReFELAnchors,
    GReFELAttentiveCorrection,
    confidence,
    correct_distribution,
    geometric_correction,
)
from .window_attention import merge_windows, partition_windows, relative_position_index


@dataclass
class GReFELModelOutput(ModelOutput):
    """
    last_hidden_state (B, 1 + T, D): CLS and the T visual tokens, level by level, row-major within a level.
    pooler_output (B, D): the embedding e.
    landmarks (B, 68, 2): x and y as fractions of the crop, None without a landmark head.
    hidden_states, with `output_hidden_states=True`: the tokens (B, 1 + T, D) before each layer of the ViT and after the
        last.
    attentions, with `output_attentions=True`: attention weights (B, h, 1 + T, 1 + T) of each layer of the ViT. Only
        eager attention gives them (`from_pretrained(..., attn_implementation="eager")` or
        `model.set_attn_implementation("eager")`): under sdpa and flash attention the tuple is empty.
    """

    last_hidden_state: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    landmarks: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


@dataclass
class GReFELImageClassifierOutput(ImageClassifierOutput):
    """
    logits (B, N): log of the corrected distribution, so that their softmax is exactly that distribution.
    primary_logits (B, N): of the MLP head; their softmax is l (Eq. 9).
    geometric_correction, attentive_correction, correction (B, N): t_g, t_a and t (Eq. 15, 17, 18).
    primary_confidence, geometric_confidence, attentive_confidence, correction_confidence, corrected_confidence (B,):
        Eq. 10 of l, t_g, t_a, t and L_final.
    anchor_similarities (B, N, K): Eq. 14.
    embedding (B, D): e.
    landmarks (B, 68, 2): x and y as fractions of the crop.
    attention_map (B, 3, S, S): the attentive correction's attention over the visual tokens, per level, fine to
        coarse, on the coarsest grid; sums to at most 1 (the rest is CLS's own share).
    classification_loss, anchor_loss, center_loss, primary_loss, geometric_loss, attentive_loss: the terms of `loss`
        before weighting, with labels.
    hidden_states, attentions: as in `GReFELModelOutput`.

    Fields of parts that are switched off are None.
    """

    primary_logits: torch.Tensor | None = None
    geometric_correction: torch.Tensor | None = None
    attentive_correction: torch.Tensor | None = None
    correction: torch.Tensor | None = None
    primary_confidence: torch.Tensor | None = None
    geometric_confidence: torch.Tensor | None = None
    attentive_confidence: torch.Tensor | None = None
    correction_confidence: torch.Tensor | None = None
    corrected_confidence: torch.Tensor | None = None
    anchor_similarities: torch.Tensor | None = None
    embedding: torch.Tensor | None = None
    landmarks: torch.Tensor | None = None
    attention_map: torch.Tensor | None = None
    classification_loss: torch.Tensor | None = None
    anchor_loss: torch.Tensor | None = None
    center_loss: torch.Tensor | None = None
    primary_loss: torch.Tensor | None = None
    geometric_loss: torch.Tensor | None = None
    attentive_loss: torch.Tensor | None = None


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention in plain operations: q, k, v (B, h, L, d) to (B, L, h, d) and weights (B, h, L, L)."""
    scores = (query * scaling) @ key.transpose(-1, -2)  # scaling the scores would cost L / d times as much
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, dropout, module.training)
    return (weights @ value).transpose(1, 2), weights


def attend(module: nn.Module, query, key, value, attention_mask=None, dropout: float = 0.0):
    """
    Run the attention implementation that the config names. Shapes as in `eager_attention_forward`; weights of eager
    attention only. Flash and flex attention take no mask of biases: where there is one, sdpa serves.
    """
    name = module.config._attn_implementation
    if attention_mask is not None and name not in (None, "eager"):
        name = "sdpa"
    attention: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(name, eager_attention_forward)
    scaling = int(query.shape[-1]) ** -0.5  # int: a constant in an ONNX trace
    context, weights = attention(
        module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, is_causal=False
    )
    if is_torchdynamo_exporting():  # sdpa taken apart for ONNX has other strides than the one that was traced
        context = context.clone(memory_format=torch.contiguous_format)
    return context, weights


def floating_dtype(layer: nn.Linear) -> torch.dtype:
    """What a layer computes in: its weights' dtype, or float32 where they are quantized to at most a byte each."""
    weight = layer.weight  # of dynamically quantized layers, a method
    is_float = isinstance(weight, torch.Tensor) and weight.is_floating_point() and weight.element_size() > 1
    return weight.dtype if is_float else torch.float32


class GReFELMLP(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, config: GReFELConfig, size: int, intermediate_size: int):
        super().__init__()
        self.fc1 = nn.Linear(size, intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.fc2 = nn.Linear(intermediate_size, size)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.activation(self.fc1(hidden_states)))


class GReFELWindowCrossAttention(nn.Module):
    """Eq. 1 to 3: queries from the landmark map, keys and values from the image map, within each window."""

    def __init__(self, config: GReFELConfig, level: int):
        super().__init__()
        self.config = config
        self.num_heads = config.fusion_num_heads[level]
        self.window_size = config.window_sizes[level]
        channels = config.fusion_channels[level]
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.output = nn.Linear(channels, channels)
        self.position_bias_table = nn.Parameter(torch.zeros((2 * self.window_size - 1) ** 2, self.num_heads))
        self.register_buffer("position_index", relative_position_index(self.window_size), persistent=False)

    def position_bias(self) -> torch.Tensor:
        """b of Eq. 2, (1, h, M, M), gathered once for all windows."""
        cells = len(self.position_index)
        # index_select takes half the time of indexing by a matrix
        return self.position_bias_table.t().index_select(1, self.position_index.flatten()).view(1, -1, cells, cells)

    def forward(self, image_map: torch.Tensor, landmark_map: torch.Tensor) -> torch.Tensor:
        """Both maps (B, H, W, C) to the attended map (B, H, W, C)."""
        height, width, channels = map(int, image_map.shape[1:])
        cells = self.window_size**2  # M
        image = partition_windows(image_map, self.window_size)  # (B, H, W, C) -> (B * windows, M, C)
        landmark = partition_windows(landmark_map, self.window_size)
        query = self.query(landmark).view(-1, cells, self.num_heads, channels // self.num_heads).transpose(1, 2)
        key_value = self.key_value(image).view(-1, cells, 2, self.num_heads, channels // self.num_heads)
        key, value = key_value.permute(2, 0, 3, 1, 4).unbind()  # (.., M, 2, h, d) -> 2 x (.., h, M, d)
        context, _ = attend(self, query, key, value, self.position_bias().to(query.dtype))
        context = self.output(context.reshape(-1, cells, channels))
        return merge_windows(context, self.window_size, height, width)


class GReFELCrossFusion(GradientCheckpointingLayer):
    """
    Eq. 4 and 5 at one level, with LayerScale on both residual branches.

    The image map is normalised once and is the residual stream from then on: backbones end without a norm, and their
    scales differ by level.
    """

    def __init__(self, config: GReFELConfig, level: int):
        super().__init__()
        channels = config.fusion_channels[level]
        self.layernorm_before = nn.LayerNorm(channels, eps=config.layer_norm_eps)
        self.attention = GReFELWindowCrossAttention(config, level)
        self.attention_scale = nn.Parameter(torch.ones(channels))
        self.layernorm_after = nn.LayerNorm(channels, eps=config.layer_norm_eps)
        self.mlp = GReFELMLP(config, channels, config.fusion_mlp_ratio * channels)
        self.mlp_scale = nn.Parameter(torch.ones(channels))

    def forward(self, image_map: torch.Tensor, landmark_map: torch.Tensor) -> torch.Tensor:
        """Both maps (B, C, H, W) to the fused map (B, C, H, W)."""
        image = self.layernorm_before(image_map.permute(0, 2, 3, 1))  # (B, C, H, W) -> (B, H, W, C)
        image = image + self.attention_scale * self.attention(image, landmark_map.permute(0, 2, 3, 1))
        image = image + self.mlp_scale * self.mlp(self.layernorm_after(image))
        return image.permute(0, 3, 1, 2)  # (B, H, W, C) -> (B, C, H, W)


def make_image_backbone(config: GReFELConfig) -> nn.Module:
    """The backbone that the config names: pixels (B, 3, S, S) to three maps, fine to coarse."""
    if config.image_backbone == "iresnet50":
        return IResNet(config.iresnet_depths)
    if config.image_backbone == "mobilenet_v1":
        return MobileNetV1(config.mobilenet_width)
    return make_mobilefacenet(config)


def make_mobilefacenet(config: GReFELConfig) -> MobileFaceNet:
    """A MobileFaceNet of the config's widths and depths: the landmark backbone, or the image backbone, too."""
    return MobileFaceNet(config.mobilefacenet_channels, config.mobilefacenet_depths)


class GReFELFeaturePyramid(nn.Module):
    """Both backbones and the convolutions that bring their maps to the widths and grids of the fusion."""

    def __init__(self, config: GReFELConfig):
        super().__init__()
        self.config = config
        channels = config.fusion_channels
        self.image_backbone = make_image_backbone(config)
        self.landmark_backbone = make_mobilefacenet(config)
        width, grid = config.mobilefacenet_channels[-1], config.landmark_grids[-1]
        self.landmark_head = MobileFaceNetLandmarkHead(grid, width) if config.landmark_head else None
        size = config.projection_kernel_size
        self.image_projections = self._projections(config.image_backbone_channels, channels, size)
        self.landmark_projections = self._projections(config.mobilefacenet_channels, channels, size)
        self.downsamples = nn.ModuleList(
            nn.Conv2d(c, c, 3, stride=2, padding=1) if config.downsample_image_pyramid else nn.Identity()
            for c in channels
        )
        self.train(self.training)

    @staticmethod
    def _projections(in_channels: tuple[int, ...], out_channels: tuple[int, ...], size: int) -> nn.ModuleList:
        return nn.ModuleList(
            nn.Identity() if i == o else nn.Conv2d(i, o, size, padding=size // 2)
            for i, o in zip(in_channels, out_channels)
        )

    def frozen_modules(self) -> list[nn.Module]:
        """The landmark backbone, where the config freezes it, and its head, which no loss reaches."""
        frozen = [self.landmark_backbone] if self.config.freeze_landmark_backbone else []
        return frozen if self.landmark_head is None else [*frozen, self.landmark_head]

    def train(self, mode: bool = True) -> "GReFELFeaturePyramid":
        """
        Frozen parts stay in eval mode, so that their batch norms do not drift, and without gradients: loading
        replaces parameters by trainable ones, and `from_pretrained` ends with `eval()`.
        """
        super().train(mode)
        for module in self.frozen_modules():
            module.eval().requires_grad_(False)
        return self

    def forward(self, pixel_values: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor | None]:
        """Crops (B, 3, S, S) to three image maps, three landmark maps (both (B, C, H, W)) and landmarks (B, 68, 2)."""
        image_maps = self.image_backbone(resize(pixel_values, self.config.image_backbone_size))
        landmark_maps = self.landmark_backbone(resize(pixel_values, self.config.landmark_backbone_size))
        landmarks = None if self.landmark_head is None else self.landmark_head(landmark_maps[-1])
        image_maps = [
            downsample(project(m))
            for m, project, downsample in zip(image_maps, self.image_projections, self.downsamples)
        ]
        landmark_maps = [project(m) for m, project in zip(landmark_maps, self.landmark_projections)]
        return image_maps, landmark_maps, landmarks


def resize(pixel_values: torch.Tensor, size: int) -> torch.Tensor:
    """(B, 3, S, S) to (B, 3, size, size), bilinear; at half the side that is the mean of 2 x 2 pixels."""
    if pixel_values.shape[-1] == size:
        return pixel_values
    return nn.functional.interpolate(pixel_values, size=(size, size), mode="bilinear", align_corners=False)


class GReFELEmbeddings(nn.Module):
    """Eq. 6: every level to the ViT's width on the coarsest grid, concatenated, with CLS and learned positions."""

    def __init__(self, config: GReFELConfig):
        super().__init__()
        coarsest = config.fusion_grids[-1]
        self.projections = nn.ModuleList(
            self._projection(channels, config.hidden_size, grid, coarsest)
            for channels, grid in zip(config.fusion_channels, config.fusion_grids)
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size))
        self.position_embeddings = nn.Parameter(torch.zeros(1, 1 + config.num_visual_tokens, config.hidden_size))
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    @staticmethod
    def _projection(channels: int, hidden_size: int, grid: int, coarsest: int) -> nn.Sequential:
        """Stride-2 convolutions down to the coarsest grid, or a 1x1 convolution for a level already there."""
        layers = []
        while grid > coarsest:
            layers.append(nn.Conv2d(channels, hidden_size, 3, stride=2, padding=1))
            channels, grid = hidden_size, halve(grid)
        return nn.Sequential(*(layers or [nn.Conv2d(channels, hidden_size, 1)]))

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """Fused maps (B, C, H, W) of each level to tokens (B, 1 + T, D)."""
        levels = [project(m).flatten(2).transpose(1, 2) for m, project in zip(maps, self.projections)]  # (B, S*S, D)
        tokens = torch.cat([self.cls_token.expand(maps[0].shape[0], -1, -1), *levels], dim=1)
        return self.dropout(tokens + self.position_embeddings)


class GReFELSelfAttention(nn.Module):
    """Multi-head self-attention of the multi-scale ViT."""

    def __init__(self, config: GReFELConfig):
        super().__init__()
        self.config = config
        self.num_heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(B, L, D) to (B, L, D) and, with eager attention, weights (B, h, L, L)."""
        length, size = map(int, hidden_states.shape[1:])
        projected = self.query_key_value(hidden_states).view(-1, length, 3, self.num_heads, size // self.num_heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind()  # (B, L, 3, h, d) -> 3 x (B, h, L, d)
        context, weights = attend(self, query, key, value, dropout=self.dropout if self.training else 0.0)
        return self.output(context.reshape(-1, length, size)), weights


class GReFELLayer(GradientCheckpointingLayer):
    """Eq. 7 and 8 in pre-norm form."""

    def __init__(self, config: GReFELConfig):
        super().__init__()
        self.layernorm_before = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = GReFELSelfAttention(config)
        self.layernorm_after = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = GReFELMLP(config, config.hidden_size, config.intermediate_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        attended, _ = self.attention(self.layernorm_before(hidden_states))
        hidden_states = hidden_states + self.dropout(attended)
        return hidden_states + self.dropout(self.mlp(self.layernorm_after(hidden_states)))


class GReFELGate(nn.Module):
    """Squeeze-excite gate on the CLS token: e (B, D) from (B, D)."""

    def __init__(self, config: GReFELConfig):
        super().__init__()
        self.squeeze = nn.Linear(config.hidden_size, config.hidden_size)
        self.excite = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, cls_token: torch.Tensor) -> torch.Tensor:
        return cls_token * self.excite(self.squeeze(cls_token).relu()).sigmoid()


class GReFELBatchNorm1d(nn.BatchNorm1d):
    """A batch of one, as an epoch may end with, has no variance: it is normalised by the running statistics."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        if self.training and hidden_states.shape[0] == 1:
            statistics = (self.running_mean, self.running_var)
            return nn.functional.batch_norm(hidden_states, *statistics, self.weight, self.bias, eps=self.eps)
        return super().forward(hidden_states)


class GReFELPrimaryHead(nn.Module):
    """Eq. 9 before the softmax: an MLP with two hidden layers, each with ReLU, batch norm and dropout."""

    def __init__(self, config: GReFELConfig):
        super().__init__()
        width = config.classifier_hidden_size
        sizes = [config.hidden_size, width, width]
        self.hidden = nn.ModuleList(
            nn.Sequential(nn.Linear(i, o), nn.ReLU(), GReFELBatchNorm1d(o), nn.Dropout(config.classifier_dropout))
            for i, o in zip(sizes, sizes[1:])
        )
        self.output = nn.Linear(width, config.num_labels)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """(B, D) to logits (B, N)."""
        for layer in self.hidden:
            embedding = layer(embedding)
        return self.output(embedding)


class GReFELPreTrainedModel(PreTrainedModel):
    config: GReFELConfig
    base_model_prefix = "grefel"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    supports_gradient_checkpointing = True
    _no_split_modules = ["GReFELCrossFusion", "GReFELEmbeddings", "GReFELLayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _can_compile_fullgraph = True
    _can_record_outputs = {"hidden_states": GReFELLayer, "attentions": GReFELSelfAttention}

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | None = None, *args, output_loading_info: bool = False, **kwargs
    ):
        """
        As transformers' own, which fills gaps with random numbers. Heads may be new, for fine-tuning; an encoder that
        is made up or weights that are no numbers are refused, unless `output_loading_info` hands over the judgement.
        """
        model, info = super().from_pretrained(pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs)
        if output_loading_info:
            return model, info
        if pretrained_model_name_or_path is not None:
            model._check_loaded(pretrained_model_name_or_path, info["missing_keys"])
        return model

    def _check_loaded(self, name: str, missing: set[str]):
        encoder = self.base_model_prefix if hasattr(self, self.base_model_prefix) else ""
        made_up = sorted(key for key in missing if key.startswith(encoder))
        if made_up:
            raise ValueError(f"The weights of {name} lack {len(made_up)} of the encoder's tensors: {made_up[0]} ...")
        for key, tensor in self.state_dict().items():
            if tensor.is_floating_point() and not tensor.is_meta and not tensor.isfinite().all():
                raise ValueError(f"The weights of {name} hold values in {key} that are infinite or no numbers.")

    @classmethod
    def register_for_auto_class(cls, auto_class: str | type | None = None):
        """Nothing is left to do: `save_pretrained` saves the configuration, which brings the code."""

    def get_input_embeddings(self) -> None:
        """There is no table that tokens are looked up in; accelerate asks when it shards a model."""
        return None

    def train(self, mode: bool = True) -> "GReFELPreTrainedModel":
        super().train(mode)
        if self.config.freeze_batch_norms:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        std = self.config.initializer_range
        if isinstance(module, nn.Conv2d):
            # The default of 0.02 lets a deep network of small convolutions fade out.
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.PReLU):
            init.constant_(module.weight, 0.25)
        elif isinstance(module, GReFELWindowCrossAttention):
            init.trunc_normal_(module.position_bias_table, std=std)
            # Not saved with the weights, so it must be made again after loading.
            init.copy_(module.position_index, relative_position_index(module.window_size))
        elif isinstance(module, GReFELCrossFusion):
            init.constant_(module.attention_scale, self.config.layer_scale_init_value)
            init.constant_(module.mlp_scale, self.config.layer_scale_init_value)
        elif isinstance(module, GReFELEmbeddings):
            init.trunc_normal_(module.cls_token, std=std)
            init.trunc_normal_(module.position_embeddings, std=std)
        elif isinstance(module, GReFELAnchors):
            init.normal_(module.positions, std=self.config.anchor_initializer_range)
            if module.log_temperature is not None:
                init.constant_(module.log_temperature, math.log(self.config.anchor_temperature))


class GReFELModel(GReFELPreTrainedModel):
    """
    The encoder p(x; theta_p) of the paper: face crops to embeddings and visual tokens.

    ```python
    >>> from PIL import Image
    >>> from transformers import AutoImageProcessor, AutoModel
    >>> from grefel_hf.checkpoint import BUNDLED_CHECKPOINT

    >>> processor = AutoImageProcessor.from_pretrained(BUNDLED_CHECKPOINT)
    >>> model = AutoModel.from_pretrained(BUNDLED_CHECKPOINT)
    >>> output = model(**processor(Image.open("face.jpg"), return_tensors="pt"))
    >>> output.pooler_output.shape
    torch.Size([1, 192])
    ```
    """

    def __init__(self, config: GReFELConfig):
        super().__init__(config)
        self.pyramid = GReFELFeaturePyramid(config)
        self.fusions = nn.ModuleList(GReFELCrossFusion(config, level) for level in range(len(config.fusion_channels)))
        self.embeddings = GReFELEmbeddings(config)
        self.layers = nn.ModuleList(GReFELLayer(config) for _ in range(config.num_hidden_layers))
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.gate = GReFELGate(config)
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(self, pixel_values: torch.Tensor, **kwargs) -> GReFELModelOutput:
        """
        Args:
            pixel_values: face crops (B, 3, image_size, image_size), as the image processor returns them.

        Raises:
            ValueError: for pixel values of another shape.
        """
        expected = (self.config.num_channels, self.config.image_size, self.config.image_size)
        if pixel_values.ndim != 4 or pixel_values.shape[1:] != expected:
            raise ValueError(
                f"pixel_values have shape {tuple(pixel_values.shape)} and must have (batch, {expected[0]}, "
                f"{expected[1]}, {expected[2]}); GReFELImageProcessor makes that of any image."
            )
        # A convolution: a linear layer may be quantized.
        pixel_values = pixel_values.to(next(self.pyramid.image_backbone.stem.parameters()).dtype)
        image_maps, landmark_maps, landmarks = self.pyramid(pixel_values)
        maps = [fuse(image, landmark) for fuse, image, landmark in zip(self.fusions, image_maps, landmark_maps)]
        hidden_states = self.embeddings(maps)
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        hidden_states = self.layernorm(hidden_states)
        return GReFELModelOutput(
            last_hidden_state=hidden_states, pooler_output=self.gate(hidden_states[:, 0]), landmarks=landmarks
        )


class GReFELForImageClassification(GReFELPreTrainedModel):
    """
    GReFEL with its primary head and reliability balancing.

    ```python
    >>> from PIL import Image
    >>> from transformers import AutoImageProcessor, AutoModelForImageClassification
    >>> from grefel_hf.checkpoint import BUNDLED_CHECKPOINT

    >>> processor = AutoImageProcessor.from_pretrained(BUNDLED_CHECKPOINT)
    >>> model = AutoModelForImageClassification.from_pretrained(BUNDLED_CHECKPOINT)
    >>> output = model(**processor(Image.open("face.jpg"), return_tensors="pt"))
    >>> model.config.id2label[int(output.logits.argmax())]
    'happiness'
    >>> output.attention_map.shape
    torch.Size([1, 3, 3, 3])
    ```
    """

    def __init__(self, config: GReFELConfig):
        super().__init__(config)
        config.check_labels()  # again: entries may have been set since
        self.num_labels = config.num_labels
        self.grefel = GReFELModel(config)
        self.primary_head = GReFELPrimaryHead(config)
        self.anchors = (
            GReFELAnchors(
                config.num_labels,
                config.num_anchors,
                config.hidden_size,
                config.anchor_temperature,
                config.learn_anchor_temperature,
                config.anchor_distance,
            )
            if config.use_anchors
            else None
        )
        self.attentive_correction = (
            GReFELAttentiveCorrection(
                config.num_labels,
                config.hidden_size,
                config.correction_size,
                config.correction_num_heads,
                config.layer_norm_eps,
            )
            if config.use_attentive_correction
            else None
        )
        self.post_init()

    @can_return_tuple
    def forward(
        self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None, **kwargs
    ) -> GReFELImageClassifierOutput:
        """
        Args:
            pixel_values: face crops (B, 3, image_size, image_size).
            labels: class ids (B,) or distributions (B, N).

        Raises:
            ValueError: for pixel values or labels of another shape.
        """
        encoded = self.grefel(pixel_values, **kwargs)
        # Entropies, distances and ratios of confidences need float32, whatever autocast runs around the encoder.
        with maybe_autocast(pixel_values.device.type, enabled=False):
            output, squared_distances = self._balance(encoded)
            if labels is not None:
                self._add_losses(output, squared_distances, as_distribution(labels, self.num_labels))
        output.landmarks = encoded.landmarks
        output.hidden_states = encoded.hidden_states
        output.attentions = encoded.attentions
        return GReFELImageClassifierOutput(**output)  # in the order of the fields: a loss comes first

    def _balance(self, encoded: GReFELModelOutput) -> tuple[GReFELImageClassifierOutput, torch.Tensor | None]:
        """Primary distribution, corrections and corrected distribution; squared anchor distances (B, N, K)."""
        dtype = floating_dtype(self.primary_head.output)
        tokens, embedding = encoded.last_hidden_state.to(dtype), encoded.pooler_output.to(dtype)
        primary_logits = self.primary_head(embedding).float()
        primary = primary_logits.softmax(-1)
        similarities = squared_distances = geometric = attentive = attention_map = None
        if self.anchors is not None:
            similarities, squared_distances = self.anchors(embedding.float())
            geometric = geometric_correction(similarities)
        if self.attentive_correction is not None:
            attentive, attention = self.attentive_correction(tokens)
            side = self.config.fusion_grids[-1]
            attention_map = attention.unflatten(1, (-1, side, side))  # (B, T) -> (B, 3, S, S)
        corrected, correction = correct_distribution(primary, geometric, attentive, self.config.detach_confidences)

        def confidence_of(distribution):
            return None if distribution is None else confidence(distribution)

        output = GReFELImageClassifierOutput(
            logits=corrected.clamp_min(PROBABILITY_EPSILON).log(),
            primary_logits=primary_logits,
            geometric_correction=geometric,
            attentive_correction=attentive,
            correction=correction,
            primary_confidence=confidence_of(primary),
            geometric_confidence=confidence_of(geometric),
            attentive_confidence=confidence_of(attentive),
            correction_confidence=confidence_of(correction),
            corrected_confidence=confidence_of(corrected),
            anchor_similarities=similarities,
            embedding=embedding,
            attention_map=attention_map,
        )
        return output, squared_distances

    def _add_losses(
        self, output: GReFELImageClassifierOutput, squared_distances: torch.Tensor | None, target: torch.Tensor
    ):
        """Eq. 23: the weighted terms, each kept in the output by itself."""
        config = self.config
        weights = None if config.class_weights is None else target.new_tensor(config.class_weights)
        output.classification_loss = classification_loss(output.logits.exp(), target, weights)
        loss = config.classification_loss_weight * output.classification_loss
        if self.anchors is not None:
            variance = self.anchors.comparable(output.embedding.detach().float()).var(0, correction=0).mean()
            anchors = self.anchors.comparable(self.anchors.positions.float())
            output.anchor_loss = anchor_loss(anchors, config.anchor_margin * variance)
            output.center_loss = center_loss(squared_distances, target, config.hidden_size)
            loss = loss + config.anchor_loss_weight * output.anchor_loss
            loss = loss + config.center_loss_weight * output.center_loss
            if config.geometric_loss_weight:
                output.geometric_loss = classification_loss(output.geometric_correction, target, weights)
                loss = loss + config.geometric_loss_weight * output.geometric_loss
        if self.attentive_correction is not None and config.attentive_loss_weight:
            output.attentive_loss = classification_loss(output.attentive_correction, target, weights)
            loss = loss + config.attentive_loss_weight * output.attentive_loss
        if config.primary_loss_weight:
            output.primary_loss = classification_loss(output.primary_logits.softmax(-1), target, weights)
            loss = loss + config.primary_loss_weight * output.primary_loss
        output.loss = loss


__all__ = ["GReFELForImageClassification", "GReFELModel", "GReFELPreTrainedModel"]
