"""Reads InvokeAI's `invokeai_metadata`, as it writes it since version 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdxl_desktop.core.untrusted_files import UntrustedFileError, parse_json
from sdxl_desktop.metadata.foreign.prompt_syntax import from_compel
from sdxl_desktop.metadata.foreign.record import ForeignRecord
from sdxl_desktop.metadata.foreign.record_builder import RecordBuilder

_NUMBERS = {
    "seed": "seed",
    "steps": "steps",
    "cfg_scale": "guidance_scale",
    "cfg_rescale_multiplier": "guidance_rescale",
    "clip_skip": "clip_skip",
    "refiner_positive_aesthetic_score": "aesthetic_score",
    "refiner_negative_aesthetic_score": "negative_aesthetic_score",
    "refiner_positive_aesthetic_store": "aesthetic_score",
    "refiner_negative_aesthetic_store": "negative_aesthetic_score",
}
"""The last two are so spelled in version 3."""
_WITHOUT_COUNTERPART = {
    "controlnets": "ControlNets",
    "controlLayers": "Control layers",
    "control_layers": "Control layers",
    "ipAdapters": "IP adapters",
    "t2iAdapters": "T2I adapters",
    "regions": "Prompts for regions",
    "seamless_x": "Seamless tiling",
    "seamless_y": "Seamless tiling",
    "hrf_enabled": "A second pass at a larger size",
}
_READ = frozenset({
    *_NUMBERS, *_WITHOUT_COUNTERPART, "positive_prompt", "negative_prompt", "positive_style_prompt", "width", "height",
    "negative_style_prompt", "scheduler", "model", "loras", "vae", "strength", "init_image", "refiner_model",
    "app_version",
    "refiner_start", "refiner_steps", "refiner_scheduler", "refiner_cfg_scale", "generation_mode", "rand_device",
    "canvas_v2_metadata", "ref_images",
})  # fmt: skip


def read_invokeai(text: str) -> ForeignRecord | None:
    """Return what the text `invokeai_metadata` says, None if it is something else."""
    try:
        content = parse_json(text)
    except UntrustedFileError:
        return None
    if not isinstance(content, dict) or not content:
        return None
    builder = RecordBuilder("InvokeAI", content.get("app_version"))
    _read_prompts(builder, content)
    for name, field in _NUMBERS.items():
        builder.number(field, content.get(name))
    builder.size(content.get("width"), content.get("height"))
    builder.sampler(content.get("scheduler"))
    builder.checkpoint(*_model(content.get("model")))
    builder.vae(*_model(content.get("vae")))
    loras = content.get("loras")
    for entry in loras[:200] if isinstance(loras, list) else ():
        if isinstance(entry, dict):
            model, digest = _model(entry.get("model") or entry.get("lora"))
            builder.lora(model, entry.get("weight", 1.0), digest)
    _read_refiner(builder, content)
    mode = content.get("generation_mode")
    if isinstance(mode, str) and not mode.endswith("txt2img"):
        builder.strength(content.get("strength", 1.0))
    for name, label in _WITHOUT_COUNTERPART.items():
        if content.get(name):
            builder.note(label)
    for name, value in list(content.items())[:200]:
        if name not in _READ and value not in (None, "", False, [], {}) and not isinstance(value, dict | list):
            builder.note_value(name, value)
    return builder.build()


def _read_prompts(builder: RecordBuilder, content: Mapping[str, Any]) -> None:
    """Read the prompts. A style prompt is for the second encoder; InvokeAI also joins it to the first's words."""
    for field, name, style in (
        ("prompt", "positive_prompt", "positive_style_prompt"),
        ("negative_prompt", "negative_prompt", "negative_style_prompt"),
    ):
        words, more = content.get(name), content.get(style)
        for target, text in ((field, words), (f"{field}_2", more)):
            if isinstance(text, str) and (target == field or (text and text != words)):
                read = from_compel(text)
                builder.text(target, read.text)
                for lost in read.lost:
                    builder.note(lost)


def _read_refiner(builder: RecordBuilder, content: Mapping[str, Any]) -> None:
    name, digest = _model(content.get("refiner_model"))
    if not name:
        return
    builder.refiner(name, digest, handoff=content.get("refiner_start"), steps=content.get("refiner_steps"))
    for key, label, same in (
        ("refiner_scheduler", "The refiner's scheduler", "scheduler"),
        ("refiner_cfg_scale", "The refiner's guidance scale", "cfg_scale"),
    ):
        if content.get(key) not in (None, content.get(same)):
            builder.note_value(label, content[key])


def _model(value: object) -> tuple[object, object]:
    """Return name and hash of a model, in the form of any version."""
    if isinstance(value, dict):
        return value.get("name") or value.get("model_name") or "", value.get("hash") or ""
    return (value, "") if isinstance(value, str) else ("", "")
