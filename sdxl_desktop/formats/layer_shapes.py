"""Names and shapes of the tensors of a part with a given config.json: diffusers' and transformers' architectures in
plain Python.

With it a 10 GB file is checked in milliseconds, before torch is loaded. Widths and depths come from the configuration;
names are those of `UNet2DConditionModel`, `AutoencoderKL` and `CLIPTextModel`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from sdxl_desktop.core.model_configs import check_model_config
from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.safetensors_header import Shape

Config = Mapping[str, Any]
TensorShapes = dict[str, Shape]
_Tensors = Iterator[tuple[str, Shape]]


def tensor_shapes(part: str, config: Config, most: int = 100_000) -> TensorShapes:
    """Return names and shapes of the tensors of `part` ("unet", "vae", "text_encoder" or "text_encoder_2").

    Raises KeyError, TypeError, ValueError, IndexError or AttributeError for an invalid configuration, or one with more
    than `most` tensors.
    """
    check_model_config(config)
    made = dict(islice(_tensors(part, config), most + 1))
    if len(made) > most:
        raise ValueError("it describes more tensors than the file can hold")
    return made


def _tensors(part: str, config: Config) -> _Tensors:
    match part:
        case Part.UNET:
            return _unet(config)
        case Part.VAE:
            return _vae(config)
        case Part.TEXT_ENCODER | Part.TEXT_ENCODER_2:
            return _text_encoder(config, projects=part == "text_encoder_2")
    raise ValueError(f"there is no part {part!r}")


def _linear(name: str, out: int, into: int, *, bias: bool = True) -> _Tensors:
    yield f"{name}.weight", (out, into)
    if bias:
        yield f"{name}.bias", (out,)


def _conv(name: str, out: int, into: int, kernel: int = 3) -> _Tensors:
    yield f"{name}.weight", (out, into, kernel, kernel)
    yield f"{name}.bias", (out,)


def _norm(name: str, width: int) -> _Tensors:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _resnet(name: str, into: int, out: int, time: int = 0) -> _Tensors:
    yield from _norm(f"{name}.norm1", into)
    yield from _conv(f"{name}.conv1", out, into)
    if time:
        yield from _linear(f"{name}.time_emb_proj", out, time)
    yield from _norm(f"{name}.norm2", out)
    yield from _conv(f"{name}.conv2", out, out)
    if into != out:
        yield from _conv(f"{name}.conv_shortcut", out, into, 1)


def _transformer(name: str, width: int, depth: int, context: int, *, linear: bool) -> _Tensors:
    """A spatial transformer; its feed-forward is a GEGLU, four times as wide (Shazeer, arXiv 2002.05202)."""

    def project(layer: str) -> _Tensors:
        yield from _linear(layer, width, width) if linear else _conv(layer, width, width, 1)

    yield from _norm(f"{name}.norm", width)
    yield from project(f"{name}.proj_in")
    for number in range(depth):
        block = f"{name}.transformer_blocks.{number}"
        for which in (1, 2, 3):
            yield from _norm(f"{block}.norm{which}", width)
        for which, keys in ((1, width), (2, context)):
            yield from _linear(f"{block}.attn{which}.to_q", width, width, bias=False)
            yield from _linear(f"{block}.attn{which}.to_k", width, keys, bias=False)
            yield from _linear(f"{block}.attn{which}.to_v", width, keys, bias=False)
            yield from _linear(f"{block}.attn{which}.to_out.0", width, width)
        yield from _linear(f"{block}.ff.net.0.proj", 8 * width, width)
        yield from _linear(f"{block}.ff.net.2", width, 4 * width)
    yield from project(f"{name}.proj_out")


def _depths(config: Config) -> tuple[list[list[int]], int, list[list[int]]]:
    """Return the numbers of transformer blocks after each resnet: by level and resnet in the down path, in the middle
    (-1: no attention and a single resnet; -2: no mid block), by level and resnet in the up path."""
    levels = len(config["block_out_channels"])
    layers, attends = _by_level(config["layers_per_block"], levels), list(config["down_block_types"])
    depths = config.get("transformer_layers_per_block", 1)
    depths = [depths] * levels if isinstance(depths, int) else list(depths)
    back = config.get("reverse_transformer_layers_per_block") or depths[::-1]
    down = [_each(depths[at] if "CrossAttn" in attends[at] else 0, layers[at]) for at in range(levels)]
    ups = list(config["up_block_types"])
    up = [_each(back[at] if "CrossAttn" in ups[at] else 0, layers[-1 - at] + 1) for at in range(levels)]
    kind = config.get("mid_block_type", "UNetMidBlock2DCrossAttn")
    middle = -2 if kind is None else -1
    if kind == "UNetMidBlock2DCrossAttn":
        middle = depths[-1] if isinstance(depths[-1], int) else int(depths[-1][0])
    return down, middle, up


def _by_level(configured: int | list[int], levels: int) -> list[int]:
    counts = [int(configured)] * levels if isinstance(configured, int) else [int(count) for count in configured]
    if len(counts) != levels:
        raise ValueError("it has not as many layers as levels")
    return counts


def _each(configured: int | list[int], count: int) -> list[int]:
    return [configured] * count if isinstance(configured, int) else [int(depth) for depth in configured]


def _unet(config: Config) -> _Tensors:
    widths = [int(width) for width in config["block_out_channels"]]
    first, time = widths[0], 4 * widths[0]
    yield from _conv("conv_in", first, int(config["in_channels"]))
    yield from _linear("time_embedding.linear_1", time, first)
    yield from _linear("time_embedding.linear_2", time, time)
    if config.get("time_cond_proj_dim"):
        yield from _linear("time_embedding.cond_proj", first, int(config["time_cond_proj_dim"]), bias=False)
    yield from _linear("add_embedding.linear_1", time, int(config["projection_class_embeddings_input_dim"]))
    yield from _linear("add_embedding.linear_2", time, time)
    down, middle, up = _depths(config)
    context, linear = int(config["cross_attention_dim"]), bool(config.get("use_linear_projection"))

    def attention(name: str, width: int, depth: int) -> _Tensors:
        if depth:
            yield from _transformer(name, width, depth, context, linear=linear)

    last = len(widths) - 1
    into = first
    for level, width in enumerate(widths):
        block = f"down_blocks.{level}"
        for number, depth in enumerate(down[level]):
            yield from _resnet(f"{block}.resnets.{number}", width if number else into, width, time)
            yield from attention(f"{block}.attentions.{number}", width, depth)
        if level < last:
            yield from _conv(f"{block}.downsamplers.0.conv", width, width)
        into = width
    if middle >= -1:
        yield from _resnet("mid_block.resnets.0", widths[-1], widths[-1], time)
    if middle >= 0:
        yield from attention("mid_block.attentions.0", widths[-1], middle)
        yield from _resnet("mid_block.resnets.1", widths[-1], widths[-1], time)
    before = widths[-1]
    for level, width in enumerate(reversed(widths)):
        block, skipped = f"up_blocks.{level}", widths[max(0, last - level - 1)]
        for number, depth in enumerate(up[level]):
            skip = skipped if number == len(up[level]) - 1 else width
            yield from _resnet(f"{block}.resnets.{number}", (width if number else before) + skip, width, time)
            yield from attention(f"{block}.attentions.{number}", width, depth)
        if level < last:
            yield from _conv(f"{block}.upsamplers.0.conv", width, width)
        before = width
    yield from _norm("conv_norm_out", first)
    yield from _conv("conv_out", int(config["out_channels"]), first)


def _vae(config: Config) -> _Tensors:
    latent = int(config["latent_channels"])
    yield from _coder(config, "encoder", int(config["in_channels"]), 2 * latent)
    if config.get("use_quant_conv", True):
        yield from _conv("quant_conv", 2 * latent, 2 * latent, 1)
    if config.get("use_post_quant_conv", True):
        yield from _conv("post_quant_conv", latent, latent, 1)
    yield from _coder(config, "decoder", latent, int(config["out_channels"]))


def _coder(config: Config, side: str, into: int, out: int) -> _Tensors:
    widths = [int(width) for width in config["block_out_channels"]]
    layers, blocks, sampler = int(config["layers_per_block"]), "down_blocks", "downsamplers"
    innermost = widths[-1]
    if side == "decoder":
        widths, layers, blocks, sampler = widths[::-1], layers + 1, "up_blocks", "upsamplers"
    yield from _conv(f"{side}.conv_in", widths[0], into)
    before = widths[0]
    for level, width in enumerate(widths):
        for number in range(layers):
            yield from _resnet(f"{side}.{blocks}.{level}.resnets.{number}", width if number else before, width)
        if level < len(widths) - 1:
            yield from _conv(f"{side}.{blocks}.{level}.{sampler}.0.conv", width, width)
        before = width
    middle = f"{side}.mid_block"
    yield from _resnet(f"{middle}.resnets.0", innermost, innermost)
    if config.get("mid_block_add_attention", True):
        yield from _norm(f"{middle}.attentions.0.group_norm", innermost)
        for which in ("to_q", "to_k", "to_v", "to_out.0"):
            yield from _linear(f"{middle}.attentions.0.{which}", innermost, innermost)
    yield from _resnet(f"{middle}.resnets.1", innermost, innermost)
    yield from _norm(f"{side}.conv_norm_out", widths[-1])
    yield from _conv(f"{side}.conv_out", out, widths[-1])


def _text_encoder(config: Config, *, projects: bool) -> _Tensors:
    width, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    yield "text_model.embeddings.token_embedding.weight", (int(config["vocab_size"]), width)
    yield "text_model.embeddings.position_embedding.weight", (int(config["max_position_embeddings"]), width)
    for number in range(int(config["num_hidden_layers"])):
        layer = f"text_model.encoder.layers.{number}"
        for which in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _linear(f"{layer}.self_attn.{which}", width, width)
        yield from _norm(f"{layer}.layer_norm1", width)
        yield from _linear(f"{layer}.mlp.fc1", inner, width)
        yield from _linear(f"{layer}.mlp.fc2", width, inner)
        yield from _norm(f"{layer}.layer_norm2", width)
    yield from _norm("text_model.final_layer_norm", width)
    if projects:
        yield "text_projection.weight", (int(config["projection_dim"]), width)
