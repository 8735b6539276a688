"""Maps each tensor of a part to its key in a file and the needed conversion, for diffusers' layer names, the original
ones, and kohya's, which join either with underscores.

The original layout is that of Stability AI's generative-models ("sgm"), in which one file has everything:
`model.diffusion_model` (the UNet), `first_stage_model` (the VAE) and `conditioner.embedders` (the text encoders, the
second one with OpenCLIP's names, with query, key and value in one tensor).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats import vae_key_mapping
from sdxl_desktop.formats.layer_shapes import Config, TensorShapes
from sdxl_desktop.formats.safetensors_header import Shape, Tensor

UNET = "model.diffusion_model."
VAE = "first_stage_model."


class TensorConversion(StrEnum):
    """The conversion from the tensor in the file to the required tensor."""

    WHOLE = "whole"
    RESHAPED = "reshaped"
    """Same values in the same order: a 1×1 convolution is a linear layer."""
    TRANSPOSED = "transposed"
    FIRST_THIRD = "first third"
    SECOND_THIRD = "second third"
    LAST_THIRD = "last third"


@dataclass(frozen=True, slots=True)
class TensorSource:
    """The tensor `key`, with `shape` in the file, and its conversion `take`."""

    key: str
    shape: Shape
    conversion: TensorConversion = TensorConversion.WHOLE


KeyMapping = dict[str, TensorSource]
"""By the name of the required tensor."""


def diffusers_key_mapping(part: str, wanted: TensorShapes, there: Mapping[str, Tensor]) -> KeyMapping:
    """Return the recipes for a part's own file with diffusers' names; a VAE's keys in `there` may have other names."""
    if part != Part.VAE:
        return {name: TensorSource(name, shape) for name, shape in wanted.items()}
    try:
        keys = vae_key_mapping.map_vae_keys(wanted, {name: tensor.shape for name, tensor in there.items()})
    except vae_key_mapping.VaeKeyError:
        return {name: TensorSource(name, shape) for name, shape in wanted.items()}  # matching reports the error
    return {name: _as_it_is(keys[name], there[keys[name]].shape, shape) for name, shape in wanted.items()}


def _as_it_is(key: str, found: Shape, wanted: Shape) -> TensorSource:
    reshaped = len(wanted) == 2 and found != wanted
    return TensorSource(
        key, found if reshaped else wanted, TensorConversion.RESHAPED if reshaped else TensorConversion.WHOLE
    )


def original_key_mapping(part: str, config: Config, wanted: TensorShapes, prefix: str) -> KeyMapping:
    """Return the recipes for `part` in a file in the original layout; `prefix` precedes its keys in that file."""
    match part:
        case Part.UNET:
            names = SgmUnetNames(wanted, int(config["layers_per_block"]))
            return {name: TensorSource(prefix + names.tensor(name), shape) for name, shape in wanted.items()}
        case Part.VAE:
            levels = len(config["block_out_channels"])
            return {name: _vae(prefix, name, shape, levels) for name, shape in wanted.items()}
        case Part.TEXT_ENCODER:
            return {name: TensorSource(prefix + name, shape) for name, shape in wanted.items()}
        case Part.TEXT_ENCODER_2:
            return {name: _open_clip(prefix, name, shape) for name, shape in wanted.items()}
    raise ValueError(f"there is no part {part!r}")


_SGM_OUTER = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "time_embedding.cond_proj": "time_embed.cond_proj",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_SGM_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_LAYER = re.compile(r"(down_blocks|up_blocks|mid_block)\.(?:(\d+)\.)?([a-z]+)\.(\d+)\.(.+)")


class SgmUnetNames:
    """The names of one UNet's layers in the original implementation (github.com/Stability-AI/generative-models).

    It has `layers_per_block` + 1 entries per level: in the down path the last one is the downsampler; in the up path
    each is a resnet with its attention, and the upsampler is the last module of the last entry.
    """

    def __init__(self, layers: Iterable[str], layers_per_block: int) -> None:
        """`layers` are diffusers' names of all layers, or all tensors, of the UNet."""
        self._entries = layers_per_block + 1
        blocks = (name.split(".") for name in layers)
        self._attends = {block[1] for block in blocks if block[0] == "up_blocks" and block[2] == "attentions"}

    def original(self, layer: str) -> str:
        """Return the original name of diffusers' `layer`; unknown names are returned unchanged."""
        if layer in _SGM_OUTER:
            return _SGM_OUTER[layer]
        parts = _UNET_LAYER.fullmatch(layer)
        if parts is None:
            return layer
        side, level, what, number, rest = parts[1], int(parts[2] or 0), parts[3], int(parts[4]), parts[5]
        if what == "downsamplers":
            return f"input_blocks.{(level + 1) * self._entries}.0.op"
        if what == "upsamplers":
            place = 2 if str(level) in self._attends else 1
            return f"output_blocks.{(level + 1) * self._entries - 1}.{place}.{rest}"
        if what == "resnets":
            rest = _SGM_RESNET.get(rest, rest)
        if side == "mid_block":
            return f"middle_block.{1 if what == 'attentions' else 2 * number}.{rest}"
        entry = level * self._entries + number
        blocks = f"input_blocks.{entry + 1}" if side == "down_blocks" else f"output_blocks.{entry}"
        return f"{blocks}.{int(what == 'attentions')}.{rest}"

    def tensor(self, name: str) -> str:
        """Return the original name of diffusers' tensor `name`."""
        layer, _, kind = name.rpartition(".")
        return f"{self.original(layer)}.{kind}"


def flatten_name(name: str) -> str:
    """Return `name` in kohya's and LyCORIS' form: with underscores for dots."""
    return name.replace(".", "_")


def unet_spellings(layers: Collection[str], layers_per_block: object) -> dict[str, str]:
    """Map each `flat` spelling of a UNet's `layers` in LoRA files to the layer: diffusers' name, and the original one
    if each level has the same number of layers."""
    spellings = {}
    if isinstance(layers_per_block, int):
        names = SgmUnetNames(layers, layers_per_block)
        spellings = {flatten_name(names.original(layer)): layer for layer in layers}
    for layer in layers:
        spellings[flatten_name(layer)] = layer
        if layer.endswith(".to_out.0"):  # diffusers' attention processors omit the 0
            spellings[flatten_name(layer.removesuffix(".0"))] = layer
    return spellings


_ENCODER_LAYER = re.compile(
    r"(?:text_model_)?encoder_layers_(\d+)_(?:self_attn_(q|k|v|out)_proj|self_attn_to_(q|k|v|out)|mlp_(fc1|fc2)|"
    r"(layer_norm[12]))"
)
_FINAL_NORM = re.compile(r"(?:text_model_)?final_layer_norm")


def text_encoder_layer(name: str) -> str | None:
    """Return transformers' name of the text encoder layer called `name`, dotted or flat, in a LoRA file; or None."""
    written = flatten_name(name)
    if written == "text_projection":
        return written
    if _FINAL_NORM.fullmatch(written):
        return "text_model.final_layer_norm"
    match = _ENCODER_LAYER.fullmatch(written)
    if match is None:
        return None
    inner = match[5] or f"mlp.{match[4]}" if match[4] or match[5] else f"self_attn.{match[2] or match[3]}_proj"
    return f"text_model.encoder.layers.{match[1]}.{inner}"


def _vae(prefix: str, name: str, shape: Shape, levels: int) -> TensorSource:
    key = prefix + vae_key_mapping.to_original_name(name, levels)
    if len(shape) == 2:  # attention layers are 1×1 convolutions there
        return TensorSource(key, (*shape, 1, 1), TensorConversion.RESHAPED)
    return TensorSource(key, shape)


_OPEN_CLIP = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
}
_OPEN_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_THIRDS = {"q": TensorConversion.FIRST_THIRD, "k": TensorConversion.SECOND_THIRD, "v": TensorConversion.LAST_THIRD}
_LAYER = re.compile(r"text_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def _open_clip(prefix: str, name: str, shape: Shape) -> TensorSource:
    if name == "text_projection.weight":
        return TensorSource(f"{prefix}text_projection", shape[::-1], TensorConversion.TRANSPOSED)
    if name in _OPEN_CLIP:
        return TensorSource(prefix + _OPEN_CLIP[name], shape)
    layer = _LAYER.fullmatch(name)
    if layer is None:
        raise ValueError(f"{name!r} is no tensor of a text encoder")
    number, inside, kind = layer.groups()
    block = f"{prefix}transformer.resblocks.{number}"
    if inside in _OPEN_CLIP_LAYER:
        return TensorSource(f"{block}.{_OPEN_CLIP_LAYER[inside]}.{kind}", shape)
    return TensorSource(f"{block}.attn.in_proj_{kind}", (3 * shape[0], *shape[1:]), _THIRDS[inside[10]])


def key_prefix(part: str, names: Mapping[str, object]) -> str | None:
    """Return the key prefix of `part` in a file in the original layout; None if the part is missing."""
    for prefix, mark in _PREFIXES[part]:
        if prefix + mark in names:
            return prefix
    return None


_OPEN_CLIP_MARK = "transformer.resblocks.0.attn.in_proj_weight"
_PREFIXES: Mapping[str, tuple[tuple[str, str], ...]] = {
    Part.UNET: ((UNET, "input_blocks.0.0.weight"),),
    Part.VAE: ((VAE, "decoder.conv_in.weight"),),
    Part.TEXT_ENCODER: (("conditioner.embedders.0.transformer.", "text_model.embeddings.token_embedding.weight"),),
    Part.TEXT_ENCODER_2: (
        ("conditioner.embedders.1.model.", _OPEN_CLIP_MARK),
        ("conditioner.embedders.0.model.", _OPEN_CLIP_MARK),  # the refiner's only encoder
    ),
}
