"""Reads Fooocus' own scheme: JSON in the text `parameters`. Its other scheme is AUTOMATIC1111's text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdxl_desktop.core.untrusted_files import UntrustedFileError, parse_json
from sdxl_desktop.metadata.foreign.prompt_syntax import from_comfyui, without_tags
from sdxl_desktop.metadata.foreign.record import ForeignRecord
from sdxl_desktop.metadata.foreign.record_builder import RecordBuilder, as_number, split_size

_DEFAULT_CLIP_SKIP = 2
_STEPS_OF = {"speed": 30, "quality": 60, "extreme speed": 8, "lightning": 4, "hyper-sd": 4}
"""Steps of each performance, for versions that record no number."""
_WITHOUT_EFFECT = frozenset(
    {"metadata_scheme", "created_by", "prompt_expansion", "refiner_swap_method", "image_number"}
)
_READ = frozenset({
    "prompt", "negative_prompt", "full_prompt", "full_negative_prompt", "seed", "steps", "guidance_scale", "resolution",
    "sampler", "scheduler", "base_model", "base_model_hash", "refiner_model", "refiner_model_hash", "refiner_switch",
    "loras", "vae", "clip_skip", "version", "performance", "styles", "width", "height",
})  # fmt: skip


def read_fooocus(text: str) -> ForeignRecord | None:
    """Return what Fooocus' JSON says, None if `text` is something else."""
    try:
        content = parse_json(text)
    except UntrustedFileError:
        return None
    if not isinstance(content, dict) or not isinstance(content.get("prompt"), str):
        return None
    version = content.get("version")
    builder = RecordBuilder("Fooocus", version.removeprefix("Fooocus").strip() if isinstance(version, str) else "")
    _read_prompts(builder, content)
    builder.number("seed", content.get("seed"))
    performance = content.get("performance")
    usual = _STEPS_OF.get(performance.lower()) if isinstance(performance, str) else None
    builder.number("steps", content.get("steps", usual))
    builder.number("guidance_scale", content.get("guidance_scale"))
    builder.sampler(content.get("sampler"), content.get("scheduler"))
    builder.size(*split_size(content.get("resolution")))
    builder.size(content.get("width"), content.get("height"))
    if (skip := as_number(content.get("clip_skip"))) is not None:
        builder.number("clip_skip", max(0, skip - _DEFAULT_CLIP_SKIP))
    builder.checkpoint(content.get("base_model"), content.get("base_model_hash"))
    builder.refiner(
        content.get("refiner_model"), content.get("refiner_model_hash"), handoff=content.get("refiner_switch")
    )
    if not str(content.get("vae", "")).lower().startswith("default"):
        builder.vae(content.get("vae"))
    _read_loras(builder, content)
    if content.get("styles") not in (None, [], "[]", ""):
        builder.note(f"Styles, whose words are not in the prompt: {content['styles']}")
    for name, value in list(content.items())[:200]:
        if name not in _READ and name not in _WITHOUT_EFFECT and not name.startswith("lora_combined_"):
            builder.note_value(name, value)
    return builder.build()


def _read_prompts(builder: RecordBuilder, content: Mapping[str, Any]) -> None:
    for field in ("prompt", "negative_prompt"):
        words = content.get(field)
        if not isinstance(words, str):
            continue
        tags = without_tags(words)
        read = from_comfyui(tags.text)
        builder.text(field, read.text)
        for lora in tags.loras:
            builder.lora(lora.name, lora.weight)
        for name in read.embeddings:
            builder.embedding(name)


def _read_loras(builder: RecordBuilder, content: Mapping[str, Any]) -> None:
    loras = content.get("loras")
    for entry in loras[:200] if isinstance(loras, list) else ():
        if isinstance(entry, list) and len(entry) >= 2:
            builder.lora(entry[0], entry[1], entry[2] if len(entry) > 2 else "")
    for name, value in list(content.items())[:500]:
        if name.startswith("lora_combined_") and isinstance(value, str):
            model, colon, weight = value.rpartition(":")
            if colon:
                builder.lora(model.strip(), weight.strip())
