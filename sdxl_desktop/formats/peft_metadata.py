"""PEFT's settings in the metadata of a LoRA file: the scaling of each layer.

PEFT uses the keys of `alpha_pattern` as Python regular expressions, which a malicious file can write so that they never
end. RE2 (https://github.com/google/re2) matches the same expressions in linear time, and does not support those that
cannot be matched so (look-arounds, back-references).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import re2

_METADATA_KEY = "lora_adapter_metadata"
_MAX_PATTERNS = 5000
"""More than a UNet has layers."""
_MAX_PATTERN = 1000
"""Characters."""
_MAX_PROGRAM = 10_000
"""Maximum total program size, in RE2 instructions, of all expressions that are not plain names."""
_PATTERNS_PER_BLOCK = 32
_PLAIN_NAME = re.compile(r"[\w.-]+", re.ASCII)
_MAX_SHOWN_LENGTH = 60

_Number = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]


class PeftMetadataError(ValueError):
    """The settings are invalid; the message is a sentence for the user."""


class _PeftMetadata(msgspec.Struct, frozen=True):
    """The settings of one part that are used here."""

    lora_alpha: _Number | None = None
    alpha_pattern: dict[str, _Number] | None = None
    use_rslora: bool | None = None


@dataclass(frozen=True, slots=True)
class PeftScaling:
    """The LoRA scaling of one checkpoint part. `alpha` is None if the file has none."""

    alpha: float | None = None
    patterns: AlphaPatterns | None = None
    rank_stabilized: bool = False

    def scale(self, layer: str, rank: int) -> float:
        """Return the factor for the product of the two matrices of `layer`: alpha / rank, or 1 without an alpha."""
        if self.alpha is None:
            return 1.0
        own = self.patterns.find(layer) if self.patterns is not None else None
        # Kalajdzievski, "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA" (arXiv 2312.03732)
        return (self.alpha if own is None else own) / (math.sqrt(rank) if self.rank_stabilized else rank)


class AlphaPatterns:
    """Values by regular expression; the first one that matches a layer's full name, or its end after a dot, is used, as
    in PEFT (`peft.utils.other.get_pattern_key`)."""

    def __init__(self, values: Mapping[str, float]) -> None:
        """Raises PeftMetadataError for expressions that cannot be matched in bounded time."""
        if len(values) > _MAX_PATTERNS:
            raise PeftMetadataError(f"It has {len(values):,} patterns for its layers.")
        self._values = list(values.values())
        self._compiled = [_compile_pattern(pattern) for pattern in values]
        program = sum(
            own.programsize
            for own, pattern in zip(self._compiled, values, strict=True)
            if not _PLAIN_NAME.fullmatch(pattern)
        )
        if program > _MAX_PROGRAM:
            raise PeftMetadataError("Its patterns for layers are too many or too large.")
        self._blocks = list(_pattern_blocks(list(values)))

    def find(self, layer: str) -> float | None:
        """Return the value of the first pattern that matches `layer`; None if none does."""
        for start, any_of_them in self._blocks:
            if any_of_them is not None and not any_of_them.match(layer):
                continue
            for number in range(start, min(start + _PATTERNS_PER_BLOCK, len(self._values))):
                if self._compiled[number].match(layer):
                    return self._values[number]
        return None


def read_peft_scaling(metadata: Mapping[str, str], part: str) -> PeftScaling:
    """Read the settings for `part` of a checkpoint ("unet", "text_encoder", …). Raises PeftMetadataError."""
    if not metadata.get(_METADATA_KEY):
        return PeftScaling()
    try:
        everything = msgspec.json.decode(metadata[_METADATA_KEY], type=dict[str, msgspec.Raw])
        own = {name: everything.get(f"{part}.{name}", msgspec.Raw(b"null")) for name in _PeftMetadata.__struct_fields__}
        settings = msgspec.json.decode(msgspec.json.encode(own), type=_PeftMetadata)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as problem:
        raise PeftMetadataError("Its training settings cannot be read.") from problem
    return PeftScaling(
        settings.lora_alpha,
        AlphaPatterns(settings.alpha_pattern) if settings.alpha_pattern else None,
        bool(settings.use_rslora),
    )


def _pattern_blocks(patterns: Sequence[str]) -> Iterator[tuple[int, Any]]:
    """Yield the start of each block of patterns and one expression for the whole block; None if that would be too
    large."""
    for start in range(0, len(patterns), _PATTERNS_PER_BLOCK):
        block = "|".join(f"(?:{pattern})" for pattern in patterns[start : start + _PATTERNS_PER_BLOCK])
        try:
            yield start, _compile_suffix_match(block)
        except re2.error:
            yield start, None


def _compile_pattern(pattern: str) -> Any:
    shown = f"{pattern[:_MAX_SHOWN_LENGTH]!r}{'…' if len(pattern) > _MAX_SHOWN_LENGTH else ''}"
    if len(pattern) > _MAX_PATTERN:
        raise PeftMetadataError(f"The pattern {shown} for its layers is too long.")
    try:
        re2.compile(pattern, _RE2_OPTIONS)  # alone first: it must not close a bracket that it did not open
        return _compile_suffix_match(pattern)
    except (re2.error, UnicodeError) as problem:
        raise PeftMetadataError(f"The pattern {shown} for its layers is not supported.") from problem


def _compile_suffix_match(pattern: str) -> Any:
    return re2.compile(rf"(?:.*\.)?(?:{pattern})$", _RE2_OPTIONS)


def _re2_options() -> Any:
    options = re2.Options()
    options.max_mem = 2**20
    options.log_errors = False
    return options


_RE2_OPTIONS = _re2_options()
