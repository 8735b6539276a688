"""Which layers a UNet has that a LoRA may change: those of diffusers' own network."""

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
from sdxl_desktop.formats.key_mapping import flat, unet_spellings
from sdxl_desktop.formats.safetensors_header import Shape


@dataclass(frozen=True, slots=True)
class UnetLayers:
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
        return self.spellings.get(flat(name))


def unet_layers(config: Mapping[str, Any]) -> UnetLayers:
    """The layers of the UNet that `config` (its config.json) describes; raises CheckpointError if it describes none.

    diffusers itself says which layers there are: it builds the UNet on the meta device, which takes no memory.
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
    """The layers of a UNet that is there, as diffusers names them; `layers_per_block` is its configuration's."""
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
