"""The layers of a UNet that a LoRA may change, taken from diffusers' own network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.model_configs import architecture_config, check_model_config
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.key_mapping import flatten_name, unet_spellings
from sdxl_desktop.formats.safetensors_header import Shape


@dataclass(frozen=True, slots=True)
class UnetLayers:
    """`shapes` maps layers to the shape of their weight: [out, in] for linear, [out, in, h, w] for convolution, [width]
    for norm; `biased` are the layers with a bias.

    `spellings` maps names with underscores for dots, and diffusers' or SGM's (the original implementation's) block
    names, to layers.
    """

    shapes: Mapping[str, Shape]
    spellings: Mapping[str, str]
    biased: frozenset[str] = frozenset()

    def find(self, name: str) -> str | None:
        """Return the layer with the dotted or flat `name`; None if there is none."""
        return self.spellings.get(flatten_name(name))


def unet_layers(config: Mapping[str, Any]) -> UnetLayers:
    """Return the layers of the UNet with the config.json `config`; raises CheckpointError if it is invalid.

    diffusers builds the UNet on the meta device, which takes no memory.
    """
    return _unet_layers(json.dumps(dict(config), sort_keys=True, default=list))


@lru_cache(maxsize=4)
def _unet_layers(config: str) -> UnetLayers:
    settings = architecture_config(json.loads(config))
    try:
        check_model_config(settings)
        with torch.device("meta"):
            unet = UNet2DConditionModel.from_config(settings)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError) as problem:
        raise CheckpointError(
            "The description of this checkpoint's UNet makes no sense.",
            why=f"{type(problem).__name__}: {display_text(str(problem))}.",
            next_step="Export the checkpoint again.",
        ) from problem
    return layers_of(unet, settings["layers_per_block"])


def layers_of(unet: torch.nn.Module, layers_per_block: object) -> UnetLayers:
    """Return the layers of an existing UNet, with diffusers' names; `layers_per_block` is from its configuration."""
    modules = {
        name: module
        for name, module in unet.named_modules()
        if isinstance(module, _LAYERS) and module.weight is not None
    }
    return UnetLayers(
        {name: tuple(module.weight.shape) for name, module in modules.items()},
        unet_spellings(modules, layers_per_block),
        frozenset(name for name, module in modules.items() if module.bias is not None),
    )


_LAYERS = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.LayerNorm, torch.nn.GroupNorm)
