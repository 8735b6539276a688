"""The names of an AutoencoderKL's tensors in three forms: current diffusers, diffusers before 0.18 (attention's
`query`, `key`, `value`, `proj_attn`), and the original implementation (`ldm` and `sgm`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdxl_desktop.formats.safetensors_header import Shape, without_unit_kernel

VAE_KEY_PREFIXES = ("", "first_stage_model.", "vae.")
"""Key prefixes in files: none in a VAE's own file, the second one in a full checkpoint."""
_VAE_MARKER_KEY = "decoder.conv_in.weight"
_TINY_VAE_MARKER_KEY = "decoder.layers.0.weight"
_VAE_SUBMODULES = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "loss.", "model_ema.")
_ORIGINAL_NAMES_MARKER = "decoder.norm_out.weight"
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
_BLOCK = re.compile(r"(encoder|decoder)\.(down|up)_blocks\.(\d+)\.(resnets|downsamplers|upsamplers)\.(\d+)\.(.+)")
_MIDDLE = re.compile(r"(encoder|decoder)\.mid_block\.(resnets|attentions)\.(\d+)\.(.+)\.(weight|bias)")
_UP_BLOCK = re.compile(r"decoder\.up_blocks\.(\d+)\..+")


class VaeKeyError(ValueError):
    """The tensors of a VAE do not match its configuration; the message is a phrase."""


def vae_key_prefix(names: Mapping[str, object]) -> str | None:
    """Return the prefix of the VAE's keys in a file with these `names`; None if it has no VAE."""
    return next((prefix for prefix in VAE_KEY_PREFIXES if prefix + _VAE_MARKER_KEY in names), None)


def is_vae_file(names: Mapping[str, object]) -> bool:
    """Whether a file with these `names` contains only a VAE, tiny VAEs included."""
    if _TINY_VAE_MARKER_KEY in names:
        return all(name.startswith(("encoder.layers.", "decoder.layers.")) for name in names)
    prefix = vae_key_prefix(names)
    return prefix is not None and all(name.removeprefix(prefix).startswith(_VAE_SUBMODULES) for name in names)


def is_tiny_vae(names: Mapping[str, object]) -> bool:
    """Whether `names` are those of diffusers' AutoencoderTiny."""
    return _TINY_VAE_MARKER_KEY in names


def has_original_names(names: Mapping[str, object], prefix: str) -> bool:
    """Whether the VAE with the key prefix `prefix` has the original implementation's names."""
    return prefix + _ORIGINAL_NAMES_MARKER in names


def to_original_name(name: str, levels: int) -> str:
    """Return the original implementation's name for diffusers' `name`, in a VAE with `levels` levels."""
    if block := _BLOCK.fullmatch(name):
        side, way, level, what, number, rest = block.groups()
        place = f"{side}.{way}.{int(level) if way == 'down' else levels - 1 - int(level)}"
        if what == "resnets":
            return f"{place}.block.{number}.{rest.replace('conv_shortcut', 'nin_shortcut')}"
        return f"{place}.{'downsample' if way == 'down' else 'upsample'}.{rest}"
    if middle := _MIDDLE.fullmatch(name):
        side, what, number, layer, kind = middle.groups()
        if what == "resnets":
            return f"{side}.mid.block_{int(number) + 1}.{layer}.{kind}"
        return f"{side}.mid.attn_1.{_ATTENTION[layer]}.{kind}"
    return name.replace("conv_norm_out", "norm_out")


def to_legacy_diffusers_name(name: str) -> str:
    """Return the name that diffusers before 0.18 used for `name`."""
    middle = _MIDDLE.fullmatch(name)
    if middle is None or middle[2] != "attentions" or middle[4] not in _OLD_ATTENTION:
        return name
    return f"{middle[1]}.mid_block.attentions.{middle[3]}.{_OLD_ATTENTION[middle[4]]}.{middle[5]}"


def map_vae_keys(wanted: Mapping[str, Shape], there: Mapping[str, Shape]) -> dict[str, str]:
    """Map the names in `wanted`, from current diffusers, to the file's keys in `there`.

    A 1×1 convolution counts as a linear layer. Raises VaeKeyError if a tensor is missing or has another shape.
    """
    prefix = vae_key_prefix(there)
    if prefix is None:
        raise VaeKeyError("it has no VAE's decoder")
    levels = 1 + max((int(block[1]) for name in wanted if (block := _UP_BLOCK.fullmatch(name))), default=0)
    original = has_original_names(there, prefix)
    found = {}
    for name, shape in wanted.items():
        spellings = (to_original_name(name, levels),) if original else (name, to_legacy_diffusers_name(name))
        key = next((prefix + spelled for spelled in spellings if prefix + spelled in there), None)
        if key is None:
            raise VaeKeyError(f"its weights lack {prefix + spellings[0]}")
        if without_unit_kernel(there[key]) != without_unit_kernel(shape):
            raise VaeKeyError(f"{key} has the shape {_shape_text(there[key])} where {_shape_text(shape)} is needed")
        found[name] = key
    return found


def _shape_text(shape: Shape) -> str:
    return "×".join(map(str, shape))
