"""How files of weights end, and which one is taken where a folder has several of the same part (diffusers' and
transformers' variants).

Names are `STEM.safetensors`, `STEM.VARIANT.safetensors`, and for shards `STEM.safetensors.index.json` and
`STEM.safetensors.index.VARIANT.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SAFETENSORS = ".safetensors"
PICKLED = (".ckpt", ".pt", ".pth", ".bin")
"""Endings of files that can hold a program, and are unpickled with care or not at all."""
ENDINGS = (SAFETENSORS, *PICKLED)
CHECKPOINT_ENDINGS = (SAFETENSORS, ".ckpt")
"""Of single files that hold a whole checkpoint, as people have them."""
EMBEDDING_ENDINGS = (SAFETENSORS, ".pt", ".bin")

NO_VARIANT = ""
_PREFERRED = ("fp16", NO_VARIANT, "fp32", "bf16", "ema")
"""Half precision is exact enough and read fastest; bfloat16 keeps eight times fewer steps than it."""
_LEAST_PREFERRED = "non_ema"
"""The weights of the last training step and not their average, which is what draws well."""


@dataclass(frozen=True, slots=True)
class WeightVariant:
    """`name` is that of the file, or of the list of shards; `variant` is "" for the plain one."""

    name: str
    variant: str
    sharded: bool = False


def find_weight_variants(names: Iterable[str], stem: str) -> list[WeightVariant]:
    """Those among `names` that hold, or list, the weights called `stem`: the one to take first, a whole file before
    shards of the same variant."""
    whole = re.compile(rf"{re.escape(stem)}(?:\.(\w+))?\.safetensors")
    listing = re.compile(rf"{re.escape(stem)}\.safetensors\.index(?:\.(\w+))?\.json")
    found = []
    for name in names:
        if match := whole.fullmatch(name):
            found.append(WeightVariant(name, match[1] or NO_VARIANT))
        elif match := listing.fullmatch(name):
            found.append(WeightVariant(name, match[1] or NO_VARIANT, sharded=True))
    return sorted(found, key=lambda file: (_rank(file.variant), file.variant, file.sharded))


def _rank(variant: str) -> int:
    if variant == _LEAST_PREFERRED:
        return len(_PREFERRED) + 1
    return _PREFERRED.index(variant) if variant in _PREFERRED else len(_PREFERRED)


def variant_note(part: str, files: list[WeightVariant]) -> str:
    """What a person is told where `files`, as `weight_files` orders them, are of more than one variant; else ""."""
    variants = list(dict.fromkeys(file.variant or "the plain file" for file in files))
    if len(variants) < 2:
        return ""
    return f"Of its {part.replace('_', ' ')} there are {', '.join(variants)}: {variants[0]} is used."
