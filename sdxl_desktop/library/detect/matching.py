"""Holds a part's configuration against the tensors that are there: all must be there, in shape, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.formats.found import FoundPart
from sdxl_desktop.formats.key_mapping import diffusers_recipes, original_recipes
from sdxl_desktop.formats.layer_shapes import blueprint
from sdxl_desktop.formats.safetensors_header import Tensor

EIGHT_BITS = ("F8_E4M3", "F8_E5M2")
"""fp8: half precision holds each of their numbers exactly."""
NUMBERS = ("F16", "BF16", "F32", "F64", *EIGHT_BITS)
"""Types of numbers that weights may have."""
_SCALES = (".scale_weight", ".weight_scale")
"""What ends the name of the number that an fp8 weight is to be multiplied by, instead of `.weight`."""
_BESIDE_SCALES = (".scale_input", ".input_scale", ".comfy_quant", "scaled_fp8")
"""What goes with them and says how to compute in fp8, which is not done here."""

# Left over in files from training or from older transformers; they say nothing that is needed. `logit_scale` and the
# first encoder's unused `text_projection` come with CLIP itself.
_IDLE = (
    "text_model.embeddings.position_ids",
    "embeddings.position_ids",
    "logit_scale",
    "attn_mask",
    "text_projection",
    "text_projection.weight",
)
_MORE_THAN_ANY = 10_000
"""Tensors that a part may describe however few a file has, so that what is missing can be named. SDXL has 1,680."""
_IDLE_FOLDERS = ("loss.", "model_ema.")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why tensors do not fit a configuration: a phrase, how many tensors are wrong, and whether only the type of its
    numbers is."""

    words: str
    count: int
    numbers: bool = False


def match_part(
    name: str, config: Mapping[str, Any], there: Mapping[str, Tensor], *, prefix: str | None = None
) -> FoundPart | Mismatch:
    """The part `name` made of the tensors that are `there`; with a `prefix` they are in the original layout, without in
    diffusers' own."""
    scales, tensors = _apart(there)
    try:
        wanted = blueprint(name, config, _MORE_THAN_ANY + 2 * len(tensors))
        found = (
            diffusers_recipes(name, wanted, tensors)
            if prefix is None
            else original_recipes(name, config, wanted, prefix)
        )
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as problem:
        said = shown(str(problem)) if isinstance(problem, ValueError) else type(problem).__name__
        return Mismatch(f"its config.json makes no sense ({said})", 10**6)
    missing = [recipe.key for recipe in found.values() if recipe.key not in tensors]
    used = {recipe.key for recipe in found.values()}
    surplus = [key for key in tensors if key not in used and not _idle(key.removeprefix(prefix or ""))]
    wrong = [recipe for recipe in found.values() if recipe.key in tensors and tensors[recipe.key].shape != recipe.shape]
    count = len(missing) + len(surplus) + len(wrong)
    if missing:
        return Mismatch(f"{_some(len(missing), 'tensor')} missing, such as {missing[0][:90]!r}", count)
    if wrong:
        has, needed = ("×".join(map(str, shape)) for shape in (tensors[wrong[0].key].shape, wrong[0].shape))
        return Mismatch(f"{wrong[0].key[:90]!r} has the shape {has} where {needed} is needed", count)
    if surplus:
        return Mismatch(f"{_some(len(surplus), 'tensor')} too many, such as {surplus[0][:90]!r}", count)
    odd = next((key for key in used if tensors[key].dtype not in NUMBERS), None)
    if odd is not None:
        words = f"{odd[:90]!r} has numbers of the type {tensors[odd].dtype}, which are not converted"
        return Mismatch(words, 1, numbers=True)
    multiplied = {key: scale for key, scale in scales.items() if key in used}
    if wide := next((scale for scale in multiplied.values() if not _is_number(there[scale])), None):
        return Mismatch(f"{wide[:90]!r} is no single number", 1, numbers=True)
    kept = {key: there[key] for key in (*used, *multiplied.values())}
    return FoundPart(name, dict(config), kept, found, multiplied)


def _apart(there: Mapping[str, Tensor]) -> tuple[dict[str, str], Mapping[str, Tensor]]:
    """(keys of scales by the key of the weight that each belongs to, the tensors without what goes with fp8)."""
    if not any(tensor.dtype in EIGHT_BITS for tensor in there.values()):
        return {}, there
    scales = {
        f"{key.removesuffix(end)}.weight": key
        for key in there
        for end in _SCALES
        if key.endswith(end) and f"{key.removesuffix(end)}.weight" in there
    }
    beside = {*scales.values(), *(key for key in there if key.endswith(_BESIDE_SCALES))}
    return scales, {key: tensor for key, tensor in there.items() if key not in beside}


def _is_number(tensor: Tensor) -> bool:
    return tensor.elements == 1 and tensor.dtype in NUMBERS


def note_on_numbers(parts: Iterable[FoundPart]) -> str:
    """What a person is told of the numbers in these parts; "" where they are of the usual kinds."""
    coarse = [
        part.name.replace("_", " ")
        for part in parts
        if any(tensor.dtype in EIGHT_BITS for tensor in part.tensors.values())
    ]
    if not coarse:
        return ""
    names = " and ".join(filter(None, (", ".join(coarse[:-1]), coarse[-1])))
    return f"The weights of its {names} are in fp8: they are taken as they are, and a file in fp16 draws more exactly."


def _idle(name: str) -> bool:
    return name in _IDLE or name.startswith(_IDLE_FOLDERS)


def _some(count: int, noun: str) -> str:
    return f"{count} {noun} is" if count == 1 else f"{count} {noun}s are"
