"""The JSON that `generate --json` and `devices --json` print: exactly one object, every parameter spelled out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.edit import Edit
from sdxl_desktop.core.events import Finished
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.refine import Refine
from sdxl_desktop.core.request import GenerationRequest


def json_line(content: object) -> str:
    """`content` as one line of JSON that standard output can carry: letters as they are where its encoding has them.

    Names of files whose bytes are no text have these bytes as U+DC80 to U+DCFF, Python's "surrogateescape".
    """
    line = json.dumps(content, ensure_ascii=False)
    try:
        line.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(content)
    return line


def run_report(
    request: GenerationRequest, checkpoint: Checkpoint, finished: Finished, images: Sequence[Path | None]
) -> str:
    """One line of JSON about a finished run."""
    report = {
        "images": [None if image is None else str(image) for image in images],
        "seeds": [picture.seed for picture in finished.pictures],
        "seconds": {phase: round(seconds, 4) for phase, seconds in asdict(finished.timings).items()},
        "devices": dict(finished.devices),
        "request": request_report(request, checkpoint),
    }
    return json_line(report)


def request_report(request: GenerationRequest, checkpoint: Checkpoint) -> dict[str, object]:
    """Every parameter that was used, after all defaults: sizes as "WxH", points as "X,Y"."""
    prompts, sampling, execution = request.prompts, request.sampling, request.execution
    original, crop, target = request.micro_conditioning.positive_ids(sampling.size)
    negative_original, negative_crop, negative_target = request.micro_conditioning.negative_ids(sampling.size)
    return {
        "checkpoint": checkpoint.name,
        "checkpoint_folder": str(checkpoint.folder),
        "prompt": prompts.prompt,
        "negative_prompt": prompts.negative_prompt,
        "prompt_2": prompts.prompt_2 or prompts.prompt,
        "negative_prompt_2": prompts.negative_prompt_2 or prompts.negative_prompt,
        "size": str(sampling.size),
        "steps": sampling.steps,
        "guidance_scale": sampling.guidance_scale,
        "guidance_rescale": sampling.guidance_rescale,
        "scheduler": sampling.scheduler.value,
        "speed": sampling.speed.value,
        "seed": sampling.seed,
        "seeds": list(sampling.seeds),
        "count": sampling.count,
        "original_size": str(original),
        "crop_top_left": str(crop),
        "target_size": str(target),
        "negative_original_size": str(negative_original),
        "negative_crop_top_left": str(negative_crop),
        "negative_target_size": str(negative_target),
        "mode": request.mode.value,
        "clip_skip": prompts.clip_skip,
        "variation_seed": sampling.variation_seed,
        "variation_strength": sampling.variation_strength,
        "timesteps": list(sampling.timesteps),
        "prediction_type": sampling.noise.prediction_type,
        "zero_terminal_snr": sampling.noise.zero_terminal_snr,
        "timestep_spacing": sampling.noise.timestep_spacing,
        "aesthetic_score": request.micro_conditioning.aesthetic_score,
        "negative_aesthetic_score": request.micro_conditioning.negative_aesthetic_score,
        "edit": _edit_report(request.edit),
        "refine": _refine_report(request.refine),
        "loras": [{"file": str(lora.file), "weight": lora.weight} for lora in request.additions.loras],
        "embeddings": [{"file": str(used.file), "token": used.token} for used in request.additions.embeddings],
        "vae": None if request.additions.vae is None else str(request.additions.vae),
        "watermark": request.output.watermark,
        "from_step": None if request.start is None else request.start.step,
        "from_latents": request.start is not None,
        "device": execution.device,
        "text_device": execution.device_for(Part.TEXT_ENCODER),
        "unet_device": execution.device_for(Part.UNET),
        "vae_device": execution.device_for(Part.VAE_DECODER),
        "threads": execution.threads,
        "precision": execution.precision,
    }


def _edit_report(edit: Edit | None) -> dict[str, object] | None:
    if edit is None:
        return None
    return {
        "picture": edit.picture.name,
        "picture_size": str(edit.picture.size),
        "mask": None if edit.mask is None else edit.mask.name,
        "strength": edit.strength,
        "fit": edit.fit.value,
        "mask_blur": edit.mask_blur,
        "only_masked": edit.only_masked,
        "grow": edit.grow,
        "prefill": edit.prefill.value,
        "soft_mask": edit.soft,
        "match_colours": edit.match_colour,
        "paste_back": edit.keep_size,
    }


def _refine_report(refine: Refine | None) -> dict[str, object] | None:
    if refine is None:
        return None
    return {
        "checkpoint_folder": str(refine.checkpoint),
        "way": refine.way.value,
        "handoff": refine.handoff,
        "steps": refine.steps,
        "strength": refine.strength,
    }


def devices_report(devices: Sequence[Device]) -> str:
    """One line of JSON about the devices there are."""
    return json_line({"devices": [asdict(device) for device in devices]})
