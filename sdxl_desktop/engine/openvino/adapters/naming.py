"""The names of a UNet's and a text encoder's layers, in every spelling that LoRA files use."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.model_configs import check_model_config, of_the_network
from sdxl_desktop.formats.safetensors_header import Shape


@dataclass(frozen=True, slots=True)
class UnetNames:
    """`shapes` has the weight's shape by layer: [out, in] of a linear one, [out, in, h, w] of a convolution, [width] of
    a norm; `biased` are those that have a bias.

    `spellings` leads from a name whose dots are underscores, with diffusers' or with SGM's (the original
    implementation's) block names, to the layer.
    """

    shapes: Mapping[str, Shape]
    spellings: Mapping[str, str]
    biased: frozenset[str] = frozenset()

    def find(self, name: str) -> str | None:
        """The layer that `name`, dotted or flat, stands for."""
        return self.spellings.get(name.replace(".", "_"))


def unet_names(config: Mapping[str, Any]) -> UnetNames:
    """The layers of the UNet that `config` (its config.json) describes; raises CheckpointError if it describes none.

    diffusers itself says which layers there are: it builds the UNet on the meta device, which takes no memory.
    """
    return _unet_names(json.dumps(dict(config), sort_keys=True, default=list))


@lru_cache(maxsize=4)
def _unet_names(config: str) -> UnetNames:
    settings = of_the_network(json.loads(config))
    try:
        check_model_config(settings)
        with torch.device("meta"):
            unet = UNet2DConditionModel.from_config(settings)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError) as problem:
        raise CheckpointError(
            "The description of this checkpoint's UNet makes no sense.",
            why=f"{type(problem).__name__}: {shown(str(problem))}.",
            next_step="Export the checkpoint again.",
        ) from problem
    shapes = {
        name: tuple(module.weight.shape)
        for name, module in unet.named_modules()
        if isinstance(module, _LAYERS) and module.weight is not None
    }
    biased = frozenset(name for name, module in unet.named_modules() if name in shapes and module.bias is not None)
    spellings = {}
    for name in shapes:
        spellings[_sgm_name(name, shapes, settings["layers_per_block"]).replace(".", "_")] = name
        spellings[name.replace(".", "_")] = name
        if name.endswith(".to_out.0"):  # diffusers' attention processors leave the 0 out
            spellings[name.removesuffix(".0").replace(".", "_")] = name
    return UnetNames(shapes, spellings, biased)


_LAYERS = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.LayerNorm, torch.nn.GroupNorm)
_SGM_OUTER = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
_SGM_RESNET = {
    "norm1": "in_layers.0",
    "norm2": "out_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def _sgm_name(name: str, layers: Mapping[str, Shape], layers_per_block: int | list[int]) -> str:
    """The layer's name in the original implementation (github.com/Stability-AI/generative-models).

    It counts `layers_per_block` + 1 entries to a block: down, the last one is the downsampler; up, each is a
    resnet with its attention, and the upsampler is the last thing in the last entry.
    """
    if name in _SGM_OUTER:
        return _SGM_OUTER[name]
    parts = re.fullmatch(r"(down_blocks|up_blocks|mid_block)\.(?:(\d+)\.)?([a-z]+)\.(\d+)\.(.+)", name)
    if parts is None or not isinstance(layers_per_block, int):
        return name
    side, block, kind, index, rest = parts[1], int(parts[2] or 0), parts[3], int(parts[4]), parts[5]
    if kind == "resnets":
        rest = _SGM_RESNET.get(rest, rest)
    slot = 1 if kind == "attentions" else 0
    entry = block * (layers_per_block + 1) + index
    if side == "mid_block":
        return f"middle_block.{1 if kind == 'attentions' else 2 * index}.{rest}"
    if kind == "downsamplers":
        return f"input_blocks.{(block + 1) * (layers_per_block + 1)}.0.op"
    if kind == "upsamplers":
        attends = any(layer.startswith(f"up_blocks.{block}.attentions.") for layer in layers)
        return f"output_blocks.{entry + layers_per_block}.{2 if attends else 1}.{rest}"
    return f"{'input' if side == 'down_blocks' else 'output'}_blocks.{entry + (side == 'down_blocks')}.{slot}.{rest}"


_ENCODER_LAYER = re.compile(
    r"(?:text_model_)?encoder_layers_(\d+)_(?:self_attn_(q|k|v|out)_proj|self_attn_to_(q|k|v|out)|mlp_(fc1|fc2)|"
    r"(layer_norm[12]))"
)
_FINAL_NORM = re.compile(r"(?:text_model_)?final_layer_norm")


def encoder_layer(name: str) -> str | None:
    """The text encoder's layer that `name`, dotted or flat, stands for, as transformers calls it."""
    flat = name.replace(".", "_")
    if flat == "text_projection":
        return flat
    if _FINAL_NORM.fullmatch(flat):
        return "text_model.final_layer_norm"
    match = _ENCODER_LAYER.fullmatch(flat)
    if match is None:
        return None
    inner = match[5] or f"mlp.{match[4]}" if match[4] or match[5] else f"self_attn.{match[2] or match[3]}_proj"
    return f"text_model.encoder.layers.{match[1]}.{inner}"
