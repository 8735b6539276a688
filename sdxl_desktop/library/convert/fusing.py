"""Fuses a LoRA into a UNet before it is traced: W becomes W + alpha / rank · up · down, layer by layer, in a spool.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685). The engine fuses what a person adds
for a picture; this is for families whose LoRA belongs to them, such as VegaRT, so that it is compressed with the rest.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers.loaders import StableDiffusionXLLoraLoaderMixin
    from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.peft_settings import PeftSettings, SettingsError, read_settings
from sdxl_desktop.formats.safetensors_header import HeaderError, read_header
from sdxl_desktop.library.convert.spool import Spool

_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
_NO_LORA = (OSError, ValueError, KeyError, IndexError, AttributeError, TypeError, RuntimeError, SafetensorError)
"""What diffusers and safetensors raise over files that are none."""
_OTHER = "Choose a LoRA that was made for this checkpoint."


@dataclass(frozen=True, slots=True)
class Difference:
    """What is added to one layer: `up` [out, rank(, 1, 1)] · `down` [rank, in(, h, w)] · `scale`."""

    down: torch.Tensor
    up: torch.Tensor
    scale: float

    def added_to(self, weight: torch.Tensor) -> torch.Tensor:
        """`weight` [out, in(, h, w)] with the difference, float32."""
        product = self.up.float().flatten(1) @ self.down.float().flatten(1)
        return weight.float() + self.scale * product.reshape(weight.shape)


def read_differences(file: Path, unet_config: Mapping[str, Any]) -> dict[str, Difference]:
    """By layer of the UNet, as diffusers calls it. Raises AdditionError for a file that is no plain LoRA of a UNet."""
    try:
        header = read_header(file)  # bounded, before a library looks at it
        settings = read_settings(header.metadata, Part.UNET)
        state, alphas = StableDiffusionXLLoraLoaderMixin.lora_state_dict(
            str(file.parent),
            weight_name=file.name,
            unet_config=_Config(unet_config),
            local_files_only=True,
            use_safetensors=True,
        )
        others = sorted(name for name in state if not name.startswith("unet."))
        plain = {name.removeprefix("unet."): tensor for name, tensor in state.items() if name.startswith("unet.")}
        factors = convert_unet_state_dict_to_peft(plain)
        scales = _alphas(alphas or {})
    except HeaderError as problem:
        raise _unfit(file, problem.why) from problem
    except SettingsError as problem:
        raise _unfit(file, str(problem)) from problem
    except _NO_LORA as problem:
        raise _unfit(file, f"It cannot be read as one ({type(problem).__name__}).") from problem
    if others or not factors:
        raise _unfit(file, f"It changes more than the UNet ({others[0][:90]})." if others else "It changes nothing.")
    found = {}
    for layer in sorted({name.removesuffix(_DOWN).removesuffix(_UP) for name in factors}):
        if factors.keys() < {layer + _DOWN, layer + _UP} or layer + _DOWN not in factors or layer + _UP not in factors:
            raise _unfit(file, f"Of {layer[:90]} it has something that is no pair of small matrices.")
        down, up = factors[layer + _DOWN], factors[layer + _UP]
        if not down.numel() or not up.numel() or down.ndim not in (2, 4) or up.ndim not in (2, 4):
            raise _unfit(file, f"Of {layer[:90]} it has matrices with nothing in them.")
        found[layer] = Difference(down, up, _scale(layer, len(down), scales, settings))
    return found


@contextlib.contextmanager
def fused(file: Path, unet_config: Mapping[str, Any], folder: Path) -> Iterator[Any]:
    """Yields what `converting.convert` takes as `adapt`. The changed weights lie in `folder` until the end."""
    spools = []

    def adapt(part: str, module: Any) -> None:
        if part == Part.UNET:
            spools.append(_fuse(file, read_differences(file, unet_config), module, folder / "fused"))

    try:
        yield adapt
    finally:
        for spool in spools:
            spool.__exit__(None, None, None)


def _fuse(file: Path, differences: Mapping[str, Difference], module: Any, place: Path) -> Spool:
    layers = {name: layer for name, layer in module.named_modules() if name in differences}
    missing = sorted(differences.keys() - layers.keys())
    if missing:
        raise _unfit(file, f"The checkpoint has no layer {missing[0][:90]}.")
    for name, layer in layers.items():
        _check_shape(file, name, layer.weight, differences[name])
    size = sum(layer.weight.numel() * layer.weight.element_size() for layer in layers.values())
    spool = Spool(place, Spool.room(len(layers), size))
    for name, layer in layers.items():
        kind = np.float16 if layer.weight.dtype == torch.float16 else np.float32
        room = torch.from_numpy(spool.array(tuple(layer.weight.shape), kind))
        room.copy_(differences[name].added_to(layer.weight))
        layer.weight = torch.nn.Parameter(room, requires_grad=False)
    return spool


def _check_shape(file: Path, name: str, weight: torch.Tensor, difference: Difference) -> None:
    made_for = math.prod(difference.up.shape[:1]) * math.prod(difference.down.shape[1:])
    if (
        len(difference.up) != len(weight)
        or made_for != weight.numel()
        or difference.up.shape[1] != len(difference.down)
    ):
        raise _unfit(file, f"In {name[:90]} it is made for weights of another size.")


def _alphas(said: Mapping[str, Any]) -> dict[str, float]:
    """By layer. diffusers gives attention's other names than the rest's: those of its factors."""
    plain = convert_unet_state_dict_to_peft({name.removeprefix("unet."): float(alpha) for name, alpha in said.items()})
    return {name.removesuffix(".alpha").removesuffix(_DOWN).removesuffix(_UP): alpha for name, alpha in plain.items()}


def _scale(layer: str, rank: int, alphas: Mapping[str, float], settings: PeftSettings) -> float:
    """alpha / rank: from the number beside the factors, else from PEFT's settings, else 1."""
    if layer in alphas:
        return alphas[layer] / rank
    return settings.scale(layer, rank)


class _Config:
    """A configuration as diffusers' reader of kohya's layout wants it."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.layers_per_block = config.get("layers_per_block", 2)


def _unfit(file: Path, why: str) -> AdditionError:
    return AdditionError(f"The LoRA {file.name} cannot be fused into this checkpoint.", why=why, next_step=_OTHER)
