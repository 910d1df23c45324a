"""
Layouts of published checkpoints: where they keep what our modules need, and what GReFEL has no place for.

A layout pairs modules, ours with theirs; within a pair the tensors have the same names. Checked against the sources of
face.evoLVe (backbone/model_irse.py), pytorch_face_landmark (models/mobilefacenet.py) and POSTER++ (the repository
Talented-Q/POSTER_V2).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from grefel_hf import GReFELConfig

IMAGE, LANDMARK, ENCODER = "image_backbone", "landmark_backbone", "encoder"
LANDMARK_HEAD = "output_layer"  # of the 68-landmark MobileFaceNet

NEVER_RUN = "POSTER++ has it but never runs it"
FOURTH_STAGE = "its fourth stage; GReFEL reads three"
RECOGNITION = "its embedding for face recognition"


class ConversionError(ValueError):
    """A file that cannot be converted; the message says why, by name."""


@dataclass(frozen=True)
class Layout:
    """
    networks: what can be made of such a file. For each, our module or tensor names and theirs; None where POSTER++
        has none and computes what an identity would.
    unused: names of modules and tensors that are left out, each with the reason.
    elsewhere: the reason to leave out anything that is not under `ir_back` or `face_landback`; without one, a name
        that the layout does not know is an error, because it may change what the network computes.
    """

    title: str
    networks: dict[str, dict[str, str | None]]
    unused: dict[str, str] = field(default_factory=dict)
    elsewhere: str | None = None

    def unused_module(self, name: str) -> tuple[str, str] | None:
        """The entry of `unused` that a tensor's name falls under, and its reason; None for an unknown one."""
        for module, reason in self.unused.items():
            if f"{name}.".startswith(f"{module}."):
                return module, reason
        if self.elsewhere and not name.startswith(("ir_back.", "face_landback.")):
            return name.split(".")[0], self.elsewhere
        return None


def find_layout(names: Iterable[str], config: GReFELConfig, backbones_only: bool = False) -> Layout:
    """
    The layout that the tensors' names belong to.

    Args:
        config: of the GReFEL model to convert for; its `iresnet_depths` and `num_hidden_layers` say what to expect.
        backbones_only: of a whole POSTER++ checkpoint take only the backbones.

    Raises:
        ConversionError: no known layout, or one that needs no conversion.
    """
    tops = {name.split(".")[0] for name in names}
    if {"ir_back", "face_landback"} & tops:
        if "VIT" not in tops or backbones_only:
            return poster_backbones(config, tops, "left out, as only the backbones are converted")
        return poster_v2(config)
    if {"input_layer", "body"} <= tops:
        return evolve_iresnet(config.iresnet_depths)
    if {"input_layer", "body1"} <= tops:
        return poster_iresnet(config.iresnet_depths)
    if {"conv1", "conv2_dw", "conv_23"} <= tops:
        return mobilefacenet()
    if {"stem", "stage1"} <= tops or "landmark_backbone" in tops:
        raise ConversionError("it is in grefel_hf's layout already: train/train.py takes it as it is.")
    if {"grefel", "pyramid"} & tops:
        raise ConversionError("it is a model of grefel_hf: give its folder to train/train.py --model_name_or_path.")
    raise ConversionError(
        f"none of the known layouts has tensors under {', '.join(sorted(tops)[:6]) or 'no name at all'}. Known are "
        "face.evoLVe's IR-50, the 68-landmark MobileFaceNet of pytorch_face_landmark, and POSTER++'s checkpoints."
    )


def evolve_iresnet(depths: Sequence[int]) -> Layout:
    """face.evoLVe's IR-50: all units are numbered through, `body.0` to `body.23`."""
    read = sum(depths)
    modules = iresnet_modules(depths, lambda stage, unit: f"body.{sum(depths[:stage]) + unit}")
    unused = {"output_layer": RECOGNITION} | {f"body.{read + unit}": FOURTH_STAGE for unit in range(3)}
    return Layout("face.evoLVe's IR-50", {IMAGE: modules}, unused)


def poster_iresnet(depths: Sequence[int]) -> Layout:
    """The IR-50 file that POSTER++ starts from: the units are numbered within `body1` to `body3`."""
    modules = iresnet_modules(depths, lambda stage, unit: f"body{stage + 1}.{unit}")
    return Layout("the IR-50 of POSTER++", {IMAGE: modules}, {"output_layer": RECOGNITION, "body4": FOURTH_STAGE})


def mobilefacenet() -> Layout:
    """The 68-landmark MobileFaceNet of pytorch_face_landmark."""
    unused = {LANDMARK_HEAD: "its 68-point head; --landmark_head keeps it"}
    return Layout("the 68-landmark MobileFaceNet", {LANDMARK: mobilefacenet_modules()}, unused)


def poster_backbones(config: GReFELConfig, tops: set[str], elsewhere: str) -> Layout:
    """The backbones of a whole checkpoint of the POSTER line, as far as it has them."""
    networks = {}
    if "ir_back" in tops:
        networks[IMAGE] = poster_image_modules(config)
    if "face_landback" in tops:
        networks[LANDMARK] = mobilefacenet_modules("face_landback.")
    return Layout("a checkpoint of the POSTER line", networks, POSTER_UNUSED, elsewhere)


def poster_v2(config: GReFELConfig) -> Layout:
    """
    A whole POSTER++ checkpoint, which is GReFEL's encoder but for Eq. 1's w_q: there the landmark features are the
    queries as they are, which is w_q = identity.
    """
    image, landmark = poster_image_modules(config), mobilefacenet_modules("face_landback.")
    encoder = {f"pyramid.image_backbone.{ours}": theirs for ours, theirs in image.items()}
    encoder |= {f"pyramid.landmark_backbone.{ours}": theirs for ours, theirs in landmark.items()}
    encoder |= poster_encoder_modules(config)
    unused = POSTER_UNUSED | {f"VIT.blocks.{layer}.conv": NEVER_RUN for layer in range(config.num_hidden_layers)}
    return Layout("a whole POSTER++ checkpoint", {IMAGE: image, LANDMARK: landmark, ENCODER: encoder}, unused)


POSTER_UNUSED = {
    "ir_back.output_layer": NEVER_RUN,
    "ir_back.body4": FOURTH_STAGE,
    "face_landback.output_layer": "the 68-point head; its statistics drifted in POSTER++'s training, which scales "
    "pixels in another way than the head's own: what it answers are no landmarks any more",
    "VIT.head": "its linear classifier; GReFEL's primary head is an MLP, which starts new",
    **{f"VIT.{name}": NEVER_RUN for name in ("patch_embed", "CON1", "IRLinear1", "IRLinear2", "eca_block")},
    **{f"attn{level}.relative_position_index": "a table that our model makes itself" for level in (1, 2, 3)},
}


def iresnet_modules(depths: Sequence[int], unit_name: Callable[[int, int], str], prefix: str = "") -> dict[str, str]:
    """`IResNet`'s modules and theirs; `unit_name` says what the unit of a stage is called, both counted from 0."""
    modules = {"stem": f"{prefix}input_layer"}
    for stage, depth in enumerate(depths):
        for unit in range(depth):
            ours, theirs = f"stage{stage + 1}.{unit}", prefix + unit_name(stage, unit)
            modules[f"{ours}.residual"] = f"{theirs}.res_layer"
            modules[f"{ours}.shortcut"] = f"{theirs}.shortcut_layer"
    return modules


def poster_image_modules(config: GReFELConfig) -> dict[str, str]:
    return iresnet_modules(config.iresnet_depths, lambda stage, unit: f"body{stage + 1}.{unit}", "ir_back.")


def mobilefacenet_modules(prefix: str = "") -> dict[str, str]:
    """`MobileFaceNet`'s layers and theirs."""
    convolutions = {"stem.0": "conv1", "stem.1": "conv2_dw", "stage3.3": "conv_6_sep"}
    bottlenecks = {"stage1.0": "conv_23", "stage2.0": "conv_34", "stage3.0": "conv_45"}
    for stage, theirs, depth in ((1, "conv_3", 4), (2, "conv_4", 6), (3, "conv_5", 2)):
        bottlenecks |= {f"stage{stage}.{block + 1}": f"{theirs}.model.{block}" for block in range(depth)}
    for ours, theirs in bottlenecks.items():
        convolutions[f"{ours}.expand"] = f"{theirs}.conv"
        convolutions[f"{ours}.depthwise"] = f"{theirs}.conv_dw"
        convolutions[f"{ours}.project"] = f"{theirs}.project"
    layers = {"convolution": "conv", "normalization": "bn", "activation": "prelu"}
    return {f"{o}.{ours}": f"{prefix}{t}.{theirs}" for o, t in convolutions.items() for ours, theirs in layers.items()}


def poster_encoder_modules(config: GReFELConfig) -> dict[str, str | None]:
    """`GReFELModel`'s modules after the backbones and POSTER++'s."""
    modules: dict[str, str | None] = {"pyramid.landmark_projections.2": "last_face_conv"}
    for index in range(3):
        fusion, level = f"fusions.{index}", index + 1
        modules[f"pyramid.downsamples.{index}"] = f"conv{level}"
        modules[f"{fusion}.layernorm_before"] = f"window{level}.norm"
        modules[f"{fusion}.attention.query"] = None
        modules[f"{fusion}.attention.key_value"] = f"attn{level}.qkv"
        modules[f"{fusion}.attention.output"] = f"attn{level}.proj"
        modules[f"{fusion}.attention.position_bias_table"] = f"attn{level}.relative_position_bias_table"
        modules[f"{fusion}.attention_scale"] = f"ffn{level}.gamma1"
        modules[f"{fusion}.layernorm_after"] = f"ffn{level}.norm"
        modules[f"{fusion}.mlp"] = f"ffn{level}.mlp"
        modules[f"{fusion}.mlp_scale"] = f"ffn{level}.gamma2"
    for index in range(config.num_hidden_layers):
        layer, block = f"layers.{index}", f"VIT.blocks.{index}"
        modules[f"{layer}.layernorm_before"] = f"{block}.norm1"
        modules[f"{layer}.attention.query_key_value"] = f"{block}.attn.qkv"
        modules[f"{layer}.attention.output"] = f"{block}.attn.proj"
        modules[f"{layer}.layernorm_after"] = f"{block}.norm2"
        modules[f"{layer}.mlp"] = f"{block}.mlp"
    return modules | {
        "embeddings.projections.0": "embed_q",
        "embeddings.projections.1": "embed_k",
        "embeddings.projections.2.0": "embed_v.proj",
        "embeddings.cls_token": "VIT.cls_token",
        "embeddings.position_embeddings": "VIT.pos_embed",
        "layernorm": "VIT.norm",
        "gate.squeeze": "VIT.se_block.linear1",
        "gate.excite": "VIT.se_block.linear2",
    }
