"""The JSON of `generate --json` and `devices --json`: exactly one object, with every parameter."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sdxl_desktop.core.additions import LoraReference
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.events import RunFinished
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.scalars import report_values


def json_line(content: object) -> str:
    """Return `content` as one line of JSON that standard output can encode; other characters are escaped.

    Undecodable bytes in file names become U+DC80 to U+DCFF, Python's "surrogateescape".
    """
    line = json.dumps(content, ensure_ascii=False)
    try:
        line.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(content)
    return line


def run_report(
    request: GenerationRequest, checkpoint: Checkpoint, finished: RunFinished, images: Sequence[Path | None]
) -> str:
    """Return one line of JSON about a finished run."""
    report = {
        "images": [None if image is None else str(image) for image in images],
        "seeds": [picture.seed for picture in finished.pictures],
        "prompts": [request.prompts_of(picture.index).prompt for picture in finished.pictures],
        "seconds": {phase: round(seconds, 4) for phase, seconds in asdict(finished.timings).items()},
        "devices": dict(finished.devices),
        "request": request_report(request, checkpoint),
    }
    return json_line(report)


def request_report(request: GenerationRequest, checkpoint: Checkpoint) -> dict[str, object]:
    """Return every parameter used, including defaults: the declared values of the request's parts, and the defaults for
    values not given. Sizes as "WxH", points as "X,Y"."""
    prompts, sampling, execution = request.prompts, request.sampling, request.execution
    return {
        "checkpoint": checkpoint.name,
        "checkpoint_folder": str(checkpoint.folder),
        **report_values(prompts),
        "prompt_2": prompts.prompt_2 or prompts.prompt,
        "negative_prompt_2": prompts.negative_prompt_2 or prompts.negative_prompt,
        **_typed_report(request),
        **report_values(sampling),
        "seeds": list(sampling.seeds),
        **report_values(request.micro_conditioning),
        **_sizes_told(request),
        "mode": request.mode.value,
        "edit": _edit_report(request.edit),
        "refine": _refine_report(request.refine),
        "loras": [_lora_report(lora) for lora in request.additions.loras],
        "embeddings": [{"file": str(used.file), "token": used.token} for used in request.additions.embeddings],
        "vae": None if request.additions.vae is None else str(request.additions.vae),
        **report_values(request.output),
        "from_step": None if request.start is None else request.start.step,
        "from_latents": request.start is not None,
        **report_values(execution),
        "text_device": execution.device_for(Part.TEXT_ENCODER),
        "unet_device": execution.device_for(Part.UNET),
        "vae_device": execution.device_for(Part.VAE_DECODER),
    }


def _lora_report(lora: LoraReference) -> dict[str, object]:
    text_weight = lora.weight_in(Part.TEXT_ENCODER)
    return {"file": str(lora.file), "weight": lora.weight, "text_weight": text_weight, "from_prompt": lora.from_prompt}


def _typed_report(request: GenerationRequest) -> dict[str, object]:
    """What was typed, and the styles put on it."""
    source = request.prompt_source
    typed = (request.typed_prompts or request.prompts) if source is None else source.prompts
    return {
        "typed_prompt": typed.prompt,
        "typed_negative_prompt": typed.negative_prompt,
        "styles": [] if source is None else list(source.styles),
    }


def _sizes_told(request: GenerationRequest) -> dict[str, str]:
    """The sizes and crop passed to the UNet, including those derived from the picture's size."""
    size, names = request.sampling.size, ("original_size", "crop_top_left", "target_size")
    positive = zip(names, request.micro_conditioning.positive_time_ids(size), strict=True)
    negative = zip(names, request.micro_conditioning.negative_time_ids(size), strict=True)
    return {
        **{name: str(value) for name, value in positive},
        **{f"negative_{name}": str(value) for name, value in negative},
    }


def _edit_report(edit: EditParameters | None) -> dict[str, object] | None:
    if edit is None:
        return None
    return {
        "picture": edit.picture.name,
        "picture_size": str(edit.picture.size),
        "mask": None if edit.mask is None else edit.mask.name,
        **report_values(edit),
    }


def _refine_report(refine: RefinerParameters | None) -> dict[str, object] | None:
    return None if refine is None else {"checkpoint_folder": str(refine.checkpoint), **report_values(refine)}


def devices_report(devices: Sequence[Device]) -> str:
    """Return one line of JSON about the available devices."""
    return json_line({"devices": [asdict(device) for device in devices]})
