"""Reads NovelAI's JSON in the text `Comment`; its models since V3 are SDXL's, and can be had from NovelAI only."""

from __future__ import annotations

import re

from sdxl_desktop.core.untrusted_files import UntrustedFileError, parse_json
from sdxl_desktop.metadata.foreign.prompt_syntax import from_novelai
from sdxl_desktop.metadata.foreign.record import ForeignRecord
from sdxl_desktop.metadata.foreign.record_builder import RecordBuilder

_SOURCE = re.compile(r"(.{1,100}?)\s{1,4}([0-9A-F]{6,64})")
_NUMBERS = {"seed": "seed", "steps": "steps", "scale": "guidance_scale", "cfg_rescale": "guidance_rescale"}
_WITHOUT_COUNTERPART = {
    "sm": "SMEA",
    "sm_dyn": "SMEA with dynamic thresholds",
    "dynamic_thresholding": "Dynamic thresholding",
    "reference_image_multiple": "Reference pictures",
    "reference_information_extracted_multiple": "Reference pictures",
    "controlnet_model": "ControlNet",
    "skip_cfg_above_sigma": "Guidance for a part of the steps",
}


def read_novelai(comment: str, description: str = "", source: str = "") -> ForeignRecord | None:
    """Return what the texts `Comment`, `Description` and `Source` say, None if `comment` is something else."""
    try:
        content = parse_json(comment)
    except UntrustedFileError:
        return None
    if not isinstance(content, dict) or "sampler" not in content:
        return None
    builder = RecordBuilder("NovelAI")
    for field, text in (("prompt", content.get("prompt", description)), ("negative_prompt", content.get("uc"))):
        if isinstance(text, str):
            read = from_novelai(text)
            builder.text(field, read.text)
            for lost in read.lost:
                builder.note(lost)
    for name, number in _NUMBERS.items():
        builder.number(number, content.get(name))
    builder.size(content.get("width"), content.get("height"))
    builder.sampler(content.get("sampler"), content.get("noise_schedule"))
    found = _SOURCE.fullmatch(source[:200])
    builder.checkpoint(found[1] if found else source, found[2] if found else "")
    if content.get("request_type") in ("Img2ImgRequest", "NativeInfillingRequest") or content.get("image"):
        builder.strength(content.get("strength"))
    for name, label in _WITHOUT_COUNTERPART.items():
        if content.get(name):
            builder.note(label)
    return builder.build()
