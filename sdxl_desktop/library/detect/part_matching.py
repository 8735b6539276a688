"""Match a part's configuration against the available tensors: all must exist with the right shape, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.detected_model import DetectedPart
from sdxl_desktop.formats.key_mapping import diffusers_key_mapping, original_key_mapping
from sdxl_desktop.formats.layer_shapes import tensor_shapes
from sdxl_desktop.formats.safetensors_header import Tensor

FP8_DTYPES = ("F8_E4M3", "F8_E5M2")
"""fp8: each of its values is exactly representable in half precision."""
WEIGHT_DTYPES = ("F16", "BF16", "F32", "F64", *FP8_DTYPES)
"""Dtypes that weights may have."""
_FP8_SCALE_SUFFIXES = (".scale_weight", ".weight_scale")
"""Suffixes, in place of `.weight`, of the scalar by which an fp8 weight is multiplied."""
_FP8_OTHER_SUFFIXES = (".scale_input", ".input_scale", ".comfy_quant", "scaled_fp8")
"""Suffixes of related fp8 tensors, which configure fp8 computation; that is not done here."""

# Left over in files from training or from older transformers; not needed. `logit_scale` and the first encoder's unused
# `text_projection` come with CLIP itself.
_UNUSED_TENSORS = (
    "text_model.embeddings.position_ids",
    "embeddings.position_ids",
    "logit_scale",
    "attn_mask",
    "text_projection",
    "text_projection.weight",
)
_MIN_TENSOR_LIMIT = 10_000
"""Tensors that a part's configuration may describe even if the file has few, so that missing ones can be named. SDXL
has 1,680."""
_UNUSED_PREFIXES = ("loss.", "model_ema.")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why tensors do not match a configuration: a phrase, the number of wrong tensors, whether only dtypes differ."""

    reason: str
    count: int
    dtype_only: bool = False


def match_part(
    name: str, config: Mapping[str, Any], available: Mapping[str, Tensor], *, prefix: str | None = None
) -> DetectedPart | Mismatch:
    """Build the part `name` from the `available` tensors; with a `prefix` they are in the original layout, without one
    in diffusers'."""
    scales, tensors = _split_fp8_scales(available)
    try:
        wanted = tensor_shapes(name, config, _MIN_TENSOR_LIMIT + 2 * len(tensors))
        found = (
            diffusers_key_mapping(name, wanted, tensors)
            if prefix is None
            else original_key_mapping(name, config, wanted, prefix)
        )
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as problem:
        reason = display_text(str(problem)) if isinstance(problem, ValueError) else type(problem).__name__
        return Mismatch(f"its config.json makes no sense ({reason})", 10**6)
    missing = [recipe.key for recipe in found.values() if recipe.key not in tensors]
    used = {recipe.key for recipe in found.values()}
    surplus = [key for key in tensors if key not in used and not _is_unused(key.removeprefix(prefix or ""))]
    wrong = [recipe for recipe in found.values() if recipe.key in tensors and tensors[recipe.key].shape != recipe.shape]
    count = len(missing) + len(surplus) + len(wrong)
    if missing:
        return Mismatch(f"{_count_phrase(len(missing), 'tensor')} missing, such as {missing[0][:90]!r}", count)
    if wrong:
        has, needed = ("×".join(map(str, shape)) for shape in (tensors[wrong[0].key].shape, wrong[0].shape))
        return Mismatch(f"{wrong[0].key[:90]!r} has the shape {has} where {needed} is needed", count)
    if surplus:
        return Mismatch(f"{_count_phrase(len(surplus), 'tensor')} too many, such as {surplus[0][:90]!r}", count)
    odd = next((key for key in used if tensors[key].dtype not in WEIGHT_DTYPES), None)
    if odd is not None:
        words = f"{odd[:90]!r} has numbers of the type {tensors[odd].dtype}, which are not converted"
        return Mismatch(words, 1, dtype_only=True)
    multiplied = {key: scale for key, scale in scales.items() if key in used}
    if wide := next((scale for scale in multiplied.values() if not _is_scalar(available[scale])), None):
        return Mismatch(f"{wide[:90]!r} is no single number", 1, dtype_only=True)
    kept = {key: available[key] for key in (*used, *multiplied.values())}
    return DetectedPart(name, dict(config), kept, found, multiplied)


def _split_fp8_scales(available: Mapping[str, Tensor]) -> tuple[dict[str, str], Mapping[str, Tensor]]:
    """Return (scale keys by the key of their weight, the tensors without those for fp8)."""
    if not any(tensor.dtype in FP8_DTYPES for tensor in available.values()):
        return {}, available
    scales = {
        f"{key.removesuffix(end)}.weight": key
        for key in available
        for end in _FP8_SCALE_SUFFIXES
        if key.endswith(end) and f"{key.removesuffix(end)}.weight" in available
    }
    scale_keys = {*scales.values(), *(key for key in available if key.endswith(_FP8_OTHER_SUFFIXES))}
    return scales, {key: tensor for key, tensor in available.items() if key not in scale_keys}


def _is_scalar(tensor: Tensor) -> bool:
    return tensor.elements == 1 and tensor.dtype in WEIGHT_DTYPES


def fp8_note(parts: Iterable[DetectedPart]) -> str:
    """Return a note for the user about unusual dtypes in these parts; "" if there are none."""
    coarse = [
        part.name.replace("_", " ")
        for part in parts
        if any(tensor.dtype in FP8_DTYPES for tensor in part.tensors.values())
    ]
    if not coarse:
        return ""
    names = " and ".join(filter(None, (", ".join(coarse[:-1]), coarse[-1])))
    return f"The weights of its {names} are in fp8: they are taken as they are, and a file in fp16 draws more exactly."


def _is_unused(name: str) -> bool:
    return name in _UNUSED_TENSORS or name.startswith(_UNUSED_PREFIXES)


def _count_phrase(count: int, noun: str) -> str:
    return f"{count} {noun} is" if count == 1 else f"{count} {noun}s are"
