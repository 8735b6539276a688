"""Table of the suffixes of weight files, and the choice among several variants of a part in a folder (as in diffusers
and transformers).

Names are `STEM.safetensors`, `STEM.VARIANT.safetensors`, and for shards `STEM.safetensors.index.json` and
`STEM.safetensors.index.VARIANT.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SAFETENSORS = ".safetensors"
PICKLED_CHECKPOINT = ".ckpt"
PICKLED_EMBEDDING_ENDINGS = (".pt", ".bin")
PICKLED = (PICKLED_CHECKPOINT, *PICKLED_EMBEDDING_ENDINGS, ".pth")
"""Suffixes of pickle files, which can contain code: only unpickled with restrictions, or not at all."""
ENDINGS = (SAFETENSORS, *PICKLED)
CHECKPOINT_ENDINGS = (SAFETENSORS, PICKLED_CHECKPOINT)
"""Suffixes of single files with a complete checkpoint."""
EMBEDDING_ENDINGS = (SAFETENSORS, *PICKLED_EMBEDDING_ENDINGS)
UNSUPPORTED: Mapping[str, str] = {
    ".gguf": "a GGUF file, whose quantized weights cannot be converted",
    ".onnx": "an ONNX graph, which cannot be converted",
    ".msgpack": "a file of Flax weights, which cannot be converted",
}
"""Suffixes of weight files that are recognised to say what they are; none of them is read."""
KNOWN_ENDINGS = (*ENDINGS, *UNSUPPORTED)

NO_VARIANT = ""
_PREFERRED = ("fp16", NO_VARIANT, "fp32", "bf16", "ema")
"""float16 is exact enough and fastest to read; bfloat16 is eight times coarser."""
_LEAST_PREFERRED = "non_ema"
"""The weights of the last training step instead of their moving average, which gives better pictures."""


@dataclass(frozen=True, slots=True)
class WeightVariant:
    """`name` is the file's, or that of the shard index; `variant` is "" for the plain file."""

    name: str
    variant: str
    sharded: bool = False


def find_weight_variants(names: Iterable[str], stem: str) -> list[WeightVariant]:
    """Return the weight files and shard indexes for `stem` among `names`, preferred ones first: a single file precedes
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
    """Return a note for the user if `files`, ordered by `find_weight_variants`, have several variants; else ""."""
    variants = list(dict.fromkeys(file.variant or "the plain file" for file in files))
    if len(variants) < 2:
        return ""
    return f"Of its {part.replace('_', ' ')} there are {', '.join(variants)}: {variants[0]} is used."
