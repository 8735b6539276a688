"""Where in a file each tensor of a part is found, and what must be done to it, in either layout of SDXL.

The original layout is that of Stability AI's generative-models ("sgm"), in which one file holds everything:
`model.diffusion_model` (the UNet), `first_stage_model` (the VAE) and `conditioner.embedders` (the text encoders, the
second one as OpenCLIP names it, with query, key and value in one tensor).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sdxl_desktop.formats import vae_names
from sdxl_desktop.library.detect.blueprint import Blueprint, Config, depths
from sdxl_desktop.library.detect.heads import Shape, Tensor

UNET = "model.diffusion_model."
VAE = "first_stage_model."


class Take(StrEnum):
    """What makes the tensor wanted of the tensor found."""

    WHOLE = "whole"
    RESHAPED = "reshaped"
    """Same numbers in the same order: a 1×1 convolution is a linear layer."""
    TRANSPOSED = "transposed"
    FIRST_THIRD = "first third"
    SECOND_THIRD = "second third"
    LAST_THIRD = "last third"


@dataclass(frozen=True, slots=True)
class Recipe:
    """The tensor called `key`, which has `shape` in the file, taken in the manner of `take`."""

    key: str
    shape: Shape
    take: Take = Take.WHOLE


Recipes = dict[str, Recipe]
"""By the name of the tensor wanted."""


def diffusers_recipes(part: str, wanted: Blueprint, there: Mapping[str, Tensor]) -> Recipes:
    """The tensors of a part's own file, which has diffusers' names; a VAE's may have others among those `there`."""
    if part != "vae":
        return {name: Recipe(name, shape) for name, shape in wanted.items()}
    try:
        keys = vae_names.keys_of_vae(wanted, {name: tensor.shape for name, tensor in there.items()})
    except vae_names.VaeNamesError:
        return {name: Recipe(name, shape) for name, shape in wanted.items()}  # whoever matches them says what is wrong
    return {name: _as_it_is(keys[name], there[keys[name]].shape, shape) for name, shape in wanted.items()}


def _as_it_is(key: str, found: Shape, wanted: Shape) -> Recipe:
    reshaped = len(wanted) == 2 and found != wanted
    return Recipe(key, found if reshaped else wanted, Take.RESHAPED if reshaped else Take.WHOLE)


def original_recipes(part: str, config: Config, wanted: Blueprint, prefix: str) -> Recipes:
    """The tensors of `part` in a file in the original layout; `prefix` is what that file puts before them."""
    match part:
        case "unet":
            names = _UnetNames(config)
            return {name: _simple(prefix + names.original(name), shape) for name, shape in wanted.items()}
        case "vae":
            levels = len(config["block_out_channels"])
            return {name: _vae(prefix, name, shape, levels) for name, shape in wanted.items()}
        case "text_encoder":
            return {name: Recipe(prefix + name, shape) for name, shape in wanted.items()}
        case "text_encoder_2":
            return {name: _open_clip(prefix, name, shape) for name, shape in wanted.items()}
    raise ValueError(f"there is no part {part!r}")


def _simple(key: str, shape: Shape) -> Recipe:
    return Recipe(key, shape)


_OUTER = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "time_embedding.cond_proj": "time_embed.cond_proj",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)")


class _UnetNames:
    """Names of one UNet's tensors in the original implementation.

    It counts `layers_per_block` + 1 entries to a level: on the way down the last is the downsampler; on the way up each
    is a resnet with its attention, and the upsampler is the last thing in the last entry.
    """

    def __init__(self, config: Config) -> None:
        self._entries = int(config["layers_per_block"]) + 1
        self._up = depths(config)[2]

    def original(self, name: str) -> str:
        module, _, kind = name.rpartition(".")
        if module in _OUTER:
            return f"{_OUTER[module]}.{kind}"
        if middle := _MIDDLE.fullmatch(name):
            what, number, rest = middle.groups()
            place = 1 if what == "attentions" else 2 * int(number)
            return f"middle_block.{place}.{_inside(what, rest)}"
        block = _BLOCK.fullmatch(name)
        if block is None:
            raise ValueError(f"{name!r} is no tensor of a UNet")
        side, level, what, number, rest = block[1], int(block[2]), block[3], int(block[4]), block[5]
        if what == "downsamplers":
            return f"input_blocks.{(level + 1) * self._entries}.0.op.{kind}"
        if what == "upsamplers":
            place = 2 if self._up[level][-1] else 1
            return f"output_blocks.{(level + 1) * self._entries - 1}.{place}.{rest}"
        entry = level * self._entries + number
        blocks = f"input_blocks.{entry + 1}" if side == "down" else f"output_blocks.{entry}"
        return f"{blocks}.{int(what == 'attentions')}.{_inside(what, rest)}"


def _inside(what: str, rest: str) -> str:
    if what == "attentions":
        return rest
    layer, _, kind = rest.rpartition(".")
    return f"{_RESNET[layer]}.{kind}"


def _vae(prefix: str, name: str, shape: Shape, levels: int) -> Recipe:
    key = prefix + vae_names.original_name(name, levels)
    if len(shape) == 2:  # attention, whose layers are 1×1 convolutions there
        return Recipe(key, (*shape, 1, 1), Take.RESHAPED)
    return Recipe(key, shape)


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
_THIRDS = {"q": Take.FIRST_THIRD, "k": Take.SECOND_THIRD, "v": Take.LAST_THIRD}
_LAYER = re.compile(r"text_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def _open_clip(prefix: str, name: str, shape: Shape) -> Recipe:
    if name == "text_projection.weight":
        return Recipe(f"{prefix}text_projection", shape[::-1], Take.TRANSPOSED)
    if name in _OPEN_CLIP:
        return Recipe(prefix + _OPEN_CLIP[name], shape)
    layer = _LAYER.fullmatch(name)
    if layer is None:
        raise ValueError(f"{name!r} is no tensor of a text encoder")
    number, inside, kind = layer.groups()
    block = f"{prefix}transformer.resblocks.{number}"
    if inside in _OPEN_CLIP_LAYER:
        return Recipe(f"{block}.{_OPEN_CLIP_LAYER[inside]}.{kind}", shape)
    return Recipe(f"{block}.attn.in_proj_{kind}", (3 * shape[0], *shape[1:]), _THIRDS[inside[10]])


def prefix_of(part: str, names: Mapping[str, object]) -> str | None:
    """What a file in the original layout puts before the tensors of `part`; None when the part is not in it."""
    for prefix, mark in _PREFIXES[part]:
        if prefix + mark in names:
            return prefix
    return None


_OPEN_CLIP_MARK = "transformer.resblocks.0.attn.in_proj_weight"
_PREFIXES = {
    "unet": ((UNET, "input_blocks.0.0.weight"),),
    "vae": ((VAE, "decoder.conv_in.weight"),),
    "text_encoder": (("conditioner.embedders.0.transformer.", "text_model.embeddings.token_embedding.weight"),),
    "text_encoder_2": (
        ("conditioner.embedders.1.model.", _OPEN_CLIP_MARK),
        ("conditioner.embedders.0.model.", _OPEN_CLIP_MARK),  # the refiner's only one
    ),
}
