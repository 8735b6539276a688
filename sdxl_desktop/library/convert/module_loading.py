"""Build a part as a torch module whose weights are memory-mapped from the file: nothing is read before it is used."""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from sdxl_desktop.core.model_configs import architecture_config
from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.detected_model import DetectedPart
from sdxl_desktop.formats.key_mapping import TensorConversion
from sdxl_desktop.formats.safetensors_header import Tensor
from sdxl_desktop.library.convert.memmap_buffer import MemmapBuffer

_TORCH_DTYPES = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
_TEXT_CONFIG_KEYS = (
    *("vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers", "num_attention_heads"),
    *("max_position_embeddings", "hidden_act", "layer_norm_eps", "bos_token_id", "eos_token_id", "pad_token_id"),
)
_SUPPORTED_DTYPES = (torch.float16, torch.float32)


def upcast_buffer_size(part: DetectedPart) -> tuple[int, int]:
    """Return (arrays, bytes) that `load_module` needs in the buffer: tensors whose dtype OpenVINO does not accept."""
    odd = [recipe for recipe in part.key_mapping.values() if part.tensors[recipe.key].dtype not in ("F16", "F32")]
    return len(odd), sum(part.tensors[recipe.key].elements * 4 for recipe in odd)


def load_module(part: DetectedPart, buffer: MemmapBuffer) -> Any:
    """Return the module of `part`, in evaluation mode. bfloat16, float64 and fp8 become float32, in `buffer`."""
    module = _empty_module(part)
    weights = {name: _load_tensor(part, name, buffer) for name in part.key_mapping}
    own = set(module.state_dict())
    renamed = weights if set(weights) == own else {name.removeprefix("text_model."): w for name, w in weights.items()}
    module.load_state_dict(renamed, assign=True, strict=True)
    _restore_buffers(module)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module.eval()


def _empty_module(part: DetectedPart) -> Any:
    """Return the module without weights, on torch's meta device."""
    settings = architecture_config(part.config)
    with torch.device("meta"):
        match part.name:
            case Part.UNET:
                return UNet2DConditionModel.from_config(settings)
            case Part.VAE:
                return AutoencoderKL.from_config(settings)
            case Part.TEXT_ENCODER:
                return CLIPTextModel(_text_config(settings))
            case Part.TEXT_ENCODER_2:
                return CLIPTextModelWithProjection(_text_config(settings))
    raise ValueError(f"there is no part {part.name!r}")


def _text_config(settings: Mapping[str, Any]) -> CLIPTextConfig:
    """Uses only the numbers: transformers would load the attention implementation that a config names."""
    return CLIPTextConfig(**{key: settings[key] for key in _TEXT_CONFIG_KEYS if key in settings})


def _restore_buffers(module: Any) -> None:
    """Restore non-persistent buffers from the meta device: CLIP's position ids."""
    for owner in module.modules():
        for name, buffer in list(owner.named_buffers(recurse=False)):
            if buffer.device.type == "meta":
                owner.register_buffer(name, torch.arange(buffer.shape[-1]).expand(buffer.shape), persistent=False)


def _load_tensor(part: DetectedPart, name: str, buffer: MemmapBuffer) -> torch.Tensor:
    recipe = part.key_mapping[name]
    found = _mapped_tensor(part.tensors[recipe.key])
    taken = _TRANSFORMS[recipe.conversion](found)
    if taken.dtype not in _SUPPORTED_DTYPES:
        room = torch.from_numpy(buffer.array(tuple(taken.shape), np.float32))
        room.copy_(taken)
        if (scale := part.fp8_scales.get(recipe.key)) is not None:
            room *= _mapped_tensor(part.tensors[scale]).to(torch.float32).reshape(())
        return room
    return taken


_TRANSFORMS: dict[TensorConversion, Callable[[torch.Tensor], torch.Tensor]] = {
    TensorConversion.WHOLE: lambda found: found,
    TensorConversion.RESHAPED: lambda found: found.reshape(found.shape[:2]),
    TensorConversion.TRANSPOSED: lambda found: found.t().contiguous(),
    TensorConversion.FIRST_THIRD: lambda found: found[: len(found) // 3],
    TensorConversion.SECOND_THIRD: lambda found: found[len(found) // 3 : 2 * len(found) // 3],
    TensorConversion.LAST_THIRD: lambda found: found[2 * len(found) // 3 :],
}


def _mapped_tensor(tensor: Tensor) -> torch.Tensor:
    content = _map_file(tensor.file)[tensor.begin : tensor.end]
    if not content.flags.aligned or tensor.begin % 8:
        content = content.copy()  # the header's length is not a multiple of eight
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "not writable": nothing writes to it
        return torch.from_numpy(content).view(_TORCH_DTYPES[tensor.dtype]).reshape(tensor.shape)


@cache
def _map_file(file: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with file.open("rb") as stream:
        return np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
