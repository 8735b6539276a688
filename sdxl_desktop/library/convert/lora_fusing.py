"""Fuse a LoRA into a UNet before tracing, layer by layer, in a memory-mapped buffer.

The engine fuses the LoRAs that the user adds to a request; this module is for families that include a LoRA, such as
VegaRT, so that it is compressed with the rest. Both read LoRAs with `sdxl_desktop.lora`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.library.convert.memmap_buffer import MemmapBuffer
from sdxl_desktop.lora.lycoris import AdapterMismatchError, WeightDelta, read_float32
from sdxl_desktop.lora.reading import Lora, match_lora
from sdxl_desktop.lora.unet_layers import layers_of

_CHOOSE_ANOTHER_LORA = "Choose a LoRA that was made for this checkpoint."


@contextlib.contextmanager
def fused_lora(file: Path, unet_config: Mapping[str, Any], buffer_folder: Path) -> Iterator[Any]:
    """Yield the `patch_module` of `conversion.convert_parts`, which raises AdditionError for a LoRA that cannot be
    fused completely. The changed weights lie in `buffer_folder` until the context exits."""
    buffers = []

    def adapt(part: str, module: Any) -> None:
        if part == Part.UNET:
            buffers.append(
                _fuse_into_module(read_unet_lora(file, module, unet_config), module, buffer_folder / "fused")
            )

    try:
        yield adapt
    finally:
        for buffer in buffers:
            buffer.__exit__(None, None, None)


def read_unet_lora(file: Path, unet: torch.nn.Module, config: Mapping[str, Any]) -> Lora:
    """Return the LoRA in `file`; all of it must apply to layers of `unet`, which `config` describes. Raises
    AdditionError."""
    layers = layers_of(unet, config.get("layers_per_block"))
    lora = match_lora(file, layers, int(config.get("cross_attention_dim") or 0))
    if others := sorted(part for part in {*lora.weight_deltas, *lora.vector_deltas} if part is not Part.UNET):
        raise _fusing_error(file, f"It changes more than the UNet: the {others[0].replace('_', ' ')}.")
    if lora.unmatched_layers:
        raise _fusing_error(file, f"The checkpoint has no layer {lora.unmatched_layers[0][:90]}.")
    return lora


def _fuse_into_module(lora: Lora, module: Any, buffer_file: Path) -> MemmapBuffer:
    changes, vectors = lora.weight_deltas.get(Part.UNET, {}), lora.vector_deltas.get(Part.UNET, {})
    layers = {name: module.get_submodule(name) for name in changes}
    size = sum(layer.weight.numel() * layer.weight.element_size() for layer in layers.values())
    buffer = MemmapBuffer(buffer_file, MemmapBuffer.required_bytes(len(layers), size))
    with lora.open_tensors() as tensors:
        for name, layer in layers.items():
            kind = np.float16 if layer.weight.dtype == torch.float16 else np.float32
            room = torch.from_numpy(buffer.array(tuple(layer.weight.shape), kind))
            room.copy_(_changed(lora, name, changes[name], layer.weight, tensors))
            _set(lora, name, layer, "weight", room)
        for name, added in vectors.items():
            layer = module.get_submodule(name)
            for one in added:
                before = getattr(layer, one.parameter)
                difference = torch.from_numpy(read_float32(tensors, one.tensor_name)).reshape(before.shape)
                _set(lora, name, layer, one.parameter, (before.float() + difference).to(before.dtype))
    return buffer


def _changed(lora: Lora, name: str, change: WeightDelta, weight: torch.Tensor, tensors: Any) -> torch.Tensor:
    """Return `weight` [out, in(, h, w)] plus the change, float32."""
    before = weight.detach().float()
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # the sum is checked
            return before + torch.from_numpy(change.delta_weight(tensors, before.numpy()))
    except AdapterMismatchError as problem:
        raise _fusing_error(lora.file, f"In {name[:90]} {problem}.") from problem


def _set(lora: Lora, name: str, layer: Any, parameter: str, values: torch.Tensor) -> None:
    if not torch.isfinite(values).all():
        raise _fusing_error(lora.file, f"The sum in {name[:90]} is no longer a number that the checkpoint can store.")
    setattr(layer, parameter, torch.nn.Parameter(values, requires_grad=False))


def _fusing_error(file: Path, why: str) -> AdditionError:
    return AdditionError(
        f"The LoRA {file.name} cannot be fused into this checkpoint.", why=why, next_step=_CHOOSE_ANOTHER_LORA
    )
