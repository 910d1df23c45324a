"""
Published networks in plain functions on a state dict, in their authors' layer order and under their names, and state
dicts with random values. Independent of `grefel_hf`, to check conversions against. All run in evaluation mode.
"""

import torch
from torch.nn import functional as F

State = dict[str, torch.Tensor]
STAGES = ((64, 64), (64, 128), (128, 256))  # input and output channels of IR-50's stages


def add_convolution(state: State, name: str, out: int, inputs: int, size: int, bias: bool = False):
    state[f"{name}.weight"] = torch.randn(out, inputs, size, size) / (inputs * size * size) ** 0.5
    if bias:
        state[f"{name}.bias"] = torch.randn(out) * 0.1


def add_batch_norm(state: State, name: str, channels: int):
    state[f"{name}.weight"] = torch.rand(channels) + 0.5
    state[f"{name}.bias"] = torch.randn(channels) * 0.1
    state[f"{name}.running_mean"] = torch.randn(channels) * 0.1
    state[f"{name}.running_var"] = torch.rand(channels) + 0.5
    state[f"{name}.num_batches_tracked"] = torch.tensor(7)


def add_linear(state: State, name: str, out: int, inputs: int, bias: bool = True):
    state[f"{name}.weight"] = torch.randn(out, inputs) / inputs**0.5
    if bias:
        state[f"{name}.bias"] = torch.randn(out) * 0.1


def add_layer_norm(state: State, name: str, channels: int):
    state[f"{name}.weight"] = torch.rand(channels) + 0.5
    state[f"{name}.bias"] = torch.randn(channels) * 0.1


def batch_norm(x: torch.Tensor, state: State, name: str) -> torch.Tensor:
    parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, *parts, training=False, eps=1e-5)


def linear(x: torch.Tensor, state: State, name: str) -> torch.Tensor:
    return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))


def convolution(x: torch.Tensor, state: State, name: str, stride: int = 1, padding: int = 1, groups: int = 1):
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride, padding, groups=groups)


def layer_norm(x: torch.Tensor, state: State, name: str, eps: float) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)


# IR-50: face.evoLVe numbers all units through, POSTER++ within each stage.


def evolve_units(depths) -> list[list[str]]:
    return [[f"body.{sum(depths[:stage]) + unit}" for unit in range(depth)] for stage, depth in enumerate(depths)]


def poster_units(depths, prefix: str = "") -> list[list[str]]:
    return [[f"{prefix}body{stage}.{unit}" for unit in range(depth)] for stage, depth in enumerate(depths, 1)]


def random_ir50(units: list[list[str]], prefix: str = "") -> State:
    """The stem and three stages; further parts are the caller's."""
    state: State = {}
    add_convolution(state, f"{prefix}input_layer.0", 64, 3, 3)
    add_batch_norm(state, f"{prefix}input_layer.1", 64)
    state[f"{prefix}input_layer.2.weight"] = torch.rand(64) / 2
    for (first, out), names in zip(STAGES, units, strict=True):
        for index, name in enumerate(names):
            add_unit(state, name, out if index else first, out)
    return state


def add_unit(state: State, name: str, inputs: int, out: int):
    if inputs != out:
        add_convolution(state, f"{name}.shortcut_layer.0", out, inputs, 1)
        add_batch_norm(state, f"{name}.shortcut_layer.1", out)
    add_batch_norm(state, f"{name}.res_layer.0", inputs)
    add_convolution(state, f"{name}.res_layer.1", out, inputs, 3)
    state[f"{name}.res_layer.2.weight"] = torch.rand(out) / 2
    add_convolution(state, f"{name}.res_layer.3", out, out, 3)
    add_batch_norm(state, f"{name}.res_layer.4", out)


def random_evolve_ir50(depths) -> State:
    """With its fourth stage and its embedding, the latter for images of 16 pixels (1 cell)."""
    state = random_ir50(evolve_units(depths))
    for unit in range(3):
        add_unit(state, f"body.{sum(depths) + unit}", 512 if unit else 256, 512)
    add_batch_norm(state, "output_layer.0", 512)
    add_linear(state, "output_layer.3", 512, 512)
    add_batch_norm(state, "output_layer.4", 512)
    return state


def ir_unit(x: torch.Tensor, state: State, name: str, stride: int) -> torch.Tensor:
    if f"{name}.shortcut_layer.0.weight" in state:
        shortcut = batch_norm(
            convolution(x, state, f"{name}.shortcut_layer.0", stride, 0), state, f"{name}.shortcut_layer.1"
        )
    else:
        shortcut = F.max_pool2d(x, 1, stride)
    x = convolution(batch_norm(x, state, f"{name}.res_layer.0"), state, f"{name}.res_layer.1")
    x = F.prelu(x, state[f"{name}.res_layer.2.weight"])
    x = convolution(x, state, f"{name}.res_layer.3", stride)
    return batch_norm(x, state, f"{name}.res_layer.4") + shortcut


def ir50(x: torch.Tensor, state: State, units: list[list[str]], prefix: str = "") -> list[torch.Tensor]:
    """Pixels (B, 3, H, W) to the maps after each stage."""
    x = batch_norm(convolution(x, state, f"{prefix}input_layer.0"), state, f"{prefix}input_layer.1")
    x = F.prelu(x, state[f"{prefix}input_layer.2.weight"])
    maps = []
    for names in units:
        for index, name in enumerate(names):
            x = ir_unit(x, state, name, stride=1 if index else 2)
        maps.append(x)
    return maps


# MobileFaceNet of pytorch_face_landmark. Bottlenecks: name, input, inner and output channels, stride, in network order.


BOTTLENECKS = [
    ("conv_23", 64, 128, 64, 2),
    *((f"conv_3.model.{index}", 64, 128, 64, 1) for index in range(4)),
    ("conv_34", 64, 256, 128, 2),
    *((f"conv_4.model.{index}", 128, 256, 128, 1) for index in range(6)),
    ("conv_45", 128, 512, 128, 2),
    *((f"conv_5.model.{index}", 128, 256, 128, 1) for index in range(2)),
]


def add_block(state: State, name: str, out: int, inputs: int, size: int, prelu: bool = True):
    add_convolution(state, f"{name}.conv", out, inputs, size)
    add_batch_norm(state, f"{name}.bn", out)
    if prelu:
        state[f"{name}.prelu.weight"] = torch.rand(out) / 2


def random_mobilefacenet(prefix: str = "", grid: int = 7) -> State:
    """With its 68-point head for a last map of `grid` cells."""
    state: State = {}
    add_block(state, f"{prefix}conv1", 64, 3, 3)
    add_block(state, f"{prefix}conv2_dw", 64, 1, 3)
    for name, inputs, inner, out, _ in BOTTLENECKS:
        add_block(state, f"{prefix}{name}.conv", inner, inputs, 1)
        add_block(state, f"{prefix}{name}.conv_dw", inner, 1, 3)
        add_block(state, f"{prefix}{name}.project", out, inner, 1, prelu=False)
    add_block(state, f"{prefix}conv_6_sep", 512, 128, 1)
    add_block(state, f"{prefix}output_layer.conv_6_dw", 512, 1, grid, prelu=False)
    add_linear(state, f"{prefix}output_layer.linear", 136, 512, bias=False)
    add_batch_norm(state, f"{prefix}output_layer.bn", 136)
    return state


def block(x: torch.Tensor, state: State, name: str, stride: int = 1, padding: int = 0, groups: int = 1):
    x = batch_norm(convolution(x, state, f"{name}.conv", stride, padding, groups), state, f"{name}.bn")
    return F.prelu(x, state[f"{name}.prelu.weight"]) if f"{name}.prelu.weight" in state else x


def mobilefacenet(
    x: torch.Tensor, state: State, prefix: str = "", border: float = 0.0
) -> tuple[list[torch.Tensor], torch.Tensor | None]:
    """
    Pixels (B, 3, H, W) to the maps after conv_3, conv_4 and conv_6_sep, and points (B, 68, 2) if the head fits.

    `border` is what the first convolution pads with; the published one pads with 0.
    """
    x = block(F.pad(x, (1, 1, 1, 1), value=border), state, f"{prefix}conv1", stride=2)
    x = block(x, state, f"{prefix}conv2_dw", padding=1, groups=64)
    maps = {}
    for name, _, inner, _, stride in BOTTLENECKS:
        before = x
        x = block(x, state, f"{prefix}{name}.conv")
        x = block(x, state, f"{prefix}{name}.conv_dw", stride, 1, groups=inner)
        x = block(x, state, f"{prefix}{name}.project")
        x = before + x if "model" in name else x
        maps[name] = x
    x = block(x, state, f"{prefix}conv_6_sep")
    points = None
    head = f"{prefix}output_layer"
    if state[f"{head}.conv_6_dw.conv.weight"].shape[-1] == x.shape[-1]:
        pooled = block(x, state, f"{head}.conv_6_dw", groups=512).flatten(1)
        points = batch_norm(linear(pooled, state, f"{head}.linear"), state, f"{head}.bn").view(-1, 68, 2)
    return [maps["conv_3.model.3"], maps["conv_4.model.5"], x], points


# POSTER++


def random_poster_v2(depths, windows, heads, size: int, inner: int, num_layers: int) -> State:
    """Whole, with the parts that it never runs (of no true size) and a classifier of 7 classes."""
    state = random_ir50(poster_units(depths, "ir_back."), "ir_back.")
    state |= random_mobilefacenet("face_landback.")
    add_batch_norm(state, "ir_back.output_layer.0", 512)
    add_convolution(state, "last_face_conv", 256, 512, 3, bias=True)
    for level, (channels, window, num_heads) in enumerate(zip((64, 128, 256), windows, heads, strict=True), 1):
        add_convolution(state, f"conv{level}", channels, channels, 3, bias=True)
        add_layer_norm(state, f"window{level}.norm", channels)
        state[f"attn{level}.relative_position_bias_table"] = torch.randn((2 * window - 1) ** 2, num_heads)
        state[f"attn{level}.relative_position_index"] = torch.zeros(window**2, window**2, dtype=torch.int64)
        add_linear(state, f"attn{level}.qkv", 2 * channels, channels)
        add_linear(state, f"attn{level}.proj", channels, channels)
        state[f"ffn{level}.gamma1"], state[f"ffn{level}.gamma2"] = torch.randn(channels), torch.randn(channels)
        add_linear(state, f"ffn{level}.mlp.fc1", 4 * channels, channels)
        add_linear(state, f"ffn{level}.mlp.fc2", channels, 4 * channels)
        add_layer_norm(state, f"ffn{level}.norm", channels)
    add_convolution(state, "embed_q.0", size, 64, 3, bias=True)
    add_convolution(state, "embed_q.1", size, size, 3, bias=True)
    add_convolution(state, "embed_k.0", size, 128, 3, bias=True)
    add_convolution(state, "embed_v.proj", size, 256, 1, bias=True)
    state["VIT.cls_token"] = torch.randn(1, 1, size)
    state["VIT.pos_embed"] = torch.randn(1, 1 + 3 * windows[-1] ** 2, size)
    for layer in range(num_layers):
        name = f"VIT.blocks.{layer}"
        add_layer_norm(state, f"{name}.norm1", size)
        add_linear(state, f"{name}.attn.qkv", 3 * size, size)
        add_linear(state, f"{name}.attn.proj", size, size)
        add_layer_norm(state, f"{name}.norm2", size)
        add_linear(state, f"{name}.mlp.fc1", inner, size)
        add_linear(state, f"{name}.mlp.fc2", size, inner)
        state[f"{name}.conv.weight"] = torch.randn(2, 2, 1)
    add_layer_norm(state, "VIT.norm", size)
    add_linear(state, "VIT.se_block.linear1", size, size)
    add_linear(state, "VIT.se_block.linear2", size, size)
    for name in ("head.linear", "IRLinear1", "IRLinear2"):
        add_linear(state, f"VIT.{name}", 7, size)
    for name in ("patch_embed.proj", "CON1", "eca_block.conv"):
        add_convolution(state, f"VIT.{name}", 2, 2, 1)
    return state


def poster_v2_features(
    x: torch.Tensor, state: State, depths, heads, backbone_size: int, num_layers: int, fusion_eps: float = 1e-5
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Pixels (B, 3, S, S) to the tokens (B, 1 + T, D) after the last norm and the gated CLS token (B, D): all of POSTER++
    but its classifier. One window a level, as published.
    """
    x = F.interpolate(x, size=backbone_size)  # nearest
    landmark_maps, _ = mobilefacenet(x, state, "face_landback.")
    landmark_maps[2] = convolution(landmark_maps[2], state, "last_face_conv")
    image_maps = ir50(x, state, poster_units(depths, "ir_back."), "ir_back.")
    maps = []
    for level, (image, landmark) in enumerate(zip(image_maps, landmark_maps, strict=True), 1):
        image = convolution(image, state, f"conv{level}", stride=2)
        maps.append(poster_fusion(image, landmark, state, level, heads[level - 1], fusion_eps))
    maps[0] = convolution(convolution(maps[0], state, "embed_q.0", 2), state, "embed_q.1", 2)
    maps[1] = convolution(maps[1], state, "embed_k.0", 2)
    maps[2] = convolution(maps[2], state, "embed_v.proj", padding=0)
    tokens = torch.cat([m.flatten(2).transpose(1, 2) for m in maps], 1)
    tokens = torch.cat([state["VIT.cls_token"].expand(len(x), -1, -1), tokens], 1) + state["VIT.pos_embed"]
    for layer in range(num_layers):
        tokens = vit_block(tokens, state, f"VIT.blocks.{layer}")
    tokens = layer_norm(tokens, state, "VIT.norm", 1e-6)
    cls = tokens[:, 0]
    gate = linear(linear(cls, state, "VIT.se_block.linear1").relu(), state, "VIT.se_block.linear2").sigmoid()
    return tokens, cls * gate


def poster_fusion(
    image: torch.Tensor, landmark: torch.Tensor, state: State, level: int, num_heads: int, eps: float
) -> torch.Tensor:
    """Both maps (B, C, S, S) to the fused map: the landmark features are the queries as they are."""
    batch, channels, side, _ = image.shape
    image = layer_norm(image.flatten(2).transpose(1, 2), state, f"window{level}.norm", eps)  # (B, M, C)
    query = landmark.flatten(2).transpose(1, 2).view(batch, side**2, num_heads, -1).transpose(1, 2)
    key, value = (
        part.view(batch, side**2, num_heads, -1).transpose(1, 2)
        for part in linear(image, state, f"attn{level}.qkv").chunk(2, -1)
    )
    scores = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2) + position_bias(state, level, side)
    context = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
    image = image + state[f"ffn{level}.gamma1"] * linear(context, state, f"attn{level}.proj")
    hidden = F.gelu(linear(layer_norm(image, state, f"ffn{level}.norm", eps), state, f"ffn{level}.mlp.fc1"))
    image = image + state[f"ffn{level}.gamma2"] * linear(hidden, state, f"ffn{level}.mlp.fc2")
    return image.transpose(1, 2).unflatten(2, (side, side))


def position_bias(state: State, level: int, side: int) -> torch.Tensor:
    """(heads, M, M), entry by entry: query (y, x) and key (v, u) share the row of their offset."""
    table = state[f"attn{level}.relative_position_bias_table"]
    cells = [(y, x) for y in range(side) for x in range(side)]
    rows = [[(y - v + side - 1) * (2 * side - 1) + x - u + side - 1 for v, u in cells] for y, x in cells]
    return table[torch.tensor(rows)].permute(2, 0, 1)


def vit_block(tokens: torch.Tensor, state: State, name: str, num_heads: int = 8) -> torch.Tensor:
    batch, length, size = tokens.shape
    query, key, value = (
        part.view(batch, length, num_heads, -1).transpose(1, 2)
        for part in linear(layer_norm(tokens, state, f"{name}.norm1", 1e-6), state, f"{name}.attn.qkv").chunk(3, -1)
    )
    scores = query @ key.transpose(-1, -2) * (size // num_heads) ** -0.5
    context = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
    tokens = tokens + linear(context, state, f"{name}.attn.proj")
    hidden = F.gelu(linear(layer_norm(tokens, state, f"{name}.norm2", 1e-6), state, f"{name}.mlp.fc1"))
    return tokens + linear(hidden, state, f"{name}.mlp.fc2")
