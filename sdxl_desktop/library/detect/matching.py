"""Holds a part's configuration against the tensors that are there: all must be there, in shape, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.library.detect.blueprint import blueprint
from sdxl_desktop.library.detect.found import FoundPart
from sdxl_desktop.library.detect.heads import Tensor
from sdxl_desktop.library.detect.recipes import diffusers_recipes, original_recipes

NUMBERS = ("F16", "BF16", "F32", "F64")
"""Types of numbers that weights may have."""

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
    """Why tensors do not fit a configuration: a phrase, and how many tensors are wrong."""

    words: str
    count: int


def match_part(
    name: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor], *, prefix: str | None = None
) -> FoundPart | Mismatch:
    """The part `name` made of `tensors`; with a `prefix` they are in the original layout, without in diffusers' own."""
    try:
        wanted = blueprint(name, config, _MORE_THAN_ANY + 2 * len(tensors))
        found = diffusers_recipes(wanted) if prefix is None else original_recipes(name, config, wanted, prefix)
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
        there = "×".join(map(str, tensors[wrong[0].key].shape))
        wanted_shape = "×".join(map(str, wrong[0].shape))
        return Mismatch(f"{wrong[0].key[:90]!r} has the shape {there} where {wanted_shape} is needed", count)
    if surplus:
        return Mismatch(f"{_some(len(surplus), 'tensor')} too many, such as {surplus[0][:90]!r}", count)
    odd = next((key for key in used if tensors[key].dtype not in NUMBERS), None)
    if odd is not None:
        return Mismatch(f"{odd[:90]!r} has numbers of the type {tensors[odd].dtype}, which lost too much to convert", 1)
    return FoundPart(name, dict(config), {key: tensors[key] for key in used}, found)


def _idle(name: str) -> bool:
    return name in _IDLE or name.startswith(_IDLE_FOLDERS)


def _some(count: int, noun: str) -> str:
    return f"{count} {noun} is" if count == 1 else f"{count} {noun}s are"
