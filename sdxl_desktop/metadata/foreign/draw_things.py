"""Reads Draw Things' JSON, which it writes into the XMP packet as the user comment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdxl_desktop.core.untrusted_files import UntrustedFileError, parse_json
from sdxl_desktop.metadata.foreign.prompt_syntax import from_a1111
from sdxl_desktop.metadata.foreign.record import ForeignRecord
from sdxl_desktop.metadata.foreign.record_builder import RecordBuilder, as_number, split_size

_SAMPLERS = (
    "DPM++ 2M Karras", "Euler a", "DDIM", "PLMS", "DPM++ SDE Karras", "UniPC", "LCM", "Euler A Substep",
    "DPM++ SDE Substep", "TCD", "Euler A Trailing", "DPM++ SDE Trailing", "DPM++ 2M AYS", "Euler A AYS",
    "DPM++ SDE AYS", "DPM++ 2M Trailing", "DDIM Trailing",
)  # fmt: skip
"""Its samplers by number, as the settings in `v2` have them."""
_DEFAULT_CLIP_SKIP = 2
_WITHOUT_COUNTERPART = {
    "hires_fix": "A second pass at a larger size (Hires)",
    "upscaler": "Upscaling",
    "control": "Controls",
    "tiled_diffusion": "Tiled diffusion",
    "stochastic_sampling_gamma": "Strategic stochastic sampling",
    "sharpness": "Sharpness",
}


def read_draw_things(text: str) -> ForeignRecord | None:
    """Return what the JSON says, None if `text` is something else."""
    start = text.find("{")
    try:
        content = parse_json(text[start:]) if start >= 0 else None
    except UntrustedFileError:
        return None
    if not isinstance(content, dict) or not isinstance(content.get("c"), str) or "sampler" not in content:
        return None
    builder = RecordBuilder("Draw Things")
    second = content.get("v2")
    more: Mapping[str, Any] = second if isinstance(second, dict) else {}
    for field, name in (("prompt", "c"), ("negative_prompt", "uc")):
        if isinstance(content.get(name), str):
            read = from_a1111(content[name])
            builder.text(field, read.text)
            for lost in read.lost:
                builder.note(lost)
    for field, name in (("seed", "seed"), ("steps", "steps"), ("guidance_scale", "scale")):
        builder.number(field, content.get(name))
    builder.size_text(content.get("size"))
    sampler = content["sampler"]
    if isinstance(sampler, int) and not isinstance(sampler, bool) and 0 <= sampler < len(_SAMPLERS):
        sampler = _SAMPLERS[sampler]
    builder.sampler(sampler)
    _read_models(builder, content)
    _read_conditioning(builder, content, more)
    strength = as_number(content.get("strength"))
    if strength is not None and strength < 1:
        builder.strength(strength)
    skip = as_number(content.get("clip_skip", more.get("clipSkip")))
    if skip is not None:
        builder.number("clip_skip", max(0, skip - _DEFAULT_CLIP_SKIP))
    for name, label in _WITHOUT_COUNTERPART.items():
        value = content.get(name)
        if value and not (name == "stochastic_sampling_gamma" and sampler not in ("TCD", 9)):
            builder.note(label if value is True else f"{label}: {value}")
    return builder.build()


def _read_models(builder: RecordBuilder, content: Mapping[str, Any]) -> None:
    builder.checkpoint(content.get("model"))
    builder.refiner(content.get("refiner") or content.get("refiner_model"), handoff=content.get("refiner_start", 0.85))
    loras = content.get("lora", content.get("loras"))
    for entry in loras[:200] if isinstance(loras, list) else ():
        if isinstance(entry, dict):
            builder.lora(entry.get("model") or entry.get("file"), entry.get("weight", 1.0))


def _read_conditioning(builder: RecordBuilder, content: Mapping[str, Any], more: Mapping[str, Any]) -> None:
    for name in ("original_size", "target_size", "negative_original_size"):
        builder.conditioning_size(name, *split_size(content.get(name)))
    for name, width, height in (
        ("original_size", "originalImageWidth", "originalImageHeight"),
        ("target_size", "targetImageWidth", "targetImageHeight"),
        ("negative_original_size", "negativeOriginalImageWidth", "negativeOriginalImageHeight"),
    ):
        if builder.get(name) is None and more.get(width) and more.get(height):
            builder.conditioning_size(name, more[width], more[height])
    if more.get("cropLeft") or more.get("cropTop"):
        builder.crop(more.get("cropLeft"), more.get("cropTop"))
    for field, name in (("aesthetic_score", "aestheticScore"), ("negative_aesthetic_score", "negativeAestheticScore")):
        builder.number(field, more.get(name))
