"""Writes the `parameters` text that AUTOMATIC1111's web UI, Civitai and most viewers read."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sdxl_desktop import __version__
from sdxl_desktop.core.foreign_schedulers import a1111_names
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.metadata.foreign.prompt_syntax import to_a1111
from sdxl_desktop.metadata.weight_files import UNKNOWN_FILES, WeightFile, WeightFiles, weight_file_name

_DEFAULT_CLIP_SKIP = 2
"""SDXL's own layer in the count of that program."""


def parameters_text(request: GenerationRequest, seed: int, files: WeightFiles = UNKNOWN_FILES) -> str:
    """Return the text for a picture of `seed` that `request` made; no folder is named in it."""
    prompts = request.prompts
    loras = list(zip(_lora_files(request, files), (use.weight for use in request.additions.loras), strict=True))
    tags = " ".join(f"<lora:{_tag_name(file.name)}:{weight:g}>" for file, weight in loras)
    lines = [" ".join(part for part in (to_a1111(prompts.prompt), tags) if part)]
    if prompts.negative_prompt:
        lines.append(f"Negative prompt: {to_a1111(prompts.negative_prompt)}")
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in _pairs(request, seed, files)))
    return "\n".join(lines).strip()


def _pairs(request: GenerationRequest, seed: int, files: WeightFiles) -> Iterator[tuple[str, str]]:
    sampling, refine = request.sampling, request.refine
    sampler, schedule = a1111_names(sampling.scheduler)
    yield "Steps", str(sampling.steps)
    yield "Sampler", sampler
    yield "Schedule type", schedule
    yield "CFG scale", f"{sampling.guidance_scale:g}"
    yield "Seed", str(seed)
    yield "Size", str(sampling.size)
    checkpoint = files.checkpoint or WeightFile(weight_file_name(request.checkpoint))
    if checkpoint.auto_v2:
        yield "Model hash", checkpoint.auto_v2
    yield "Model", checkpoint.name
    if request.additions.vae is not None:
        vae = files.vae or WeightFile(weight_file_name(request.additions.vae))
        if vae.auto_v2:
            yield "VAE hash", vae.auto_v2
        yield "VAE", vae.name
    if sampling.variation_strength:
        yield "Variation seed", str(sampling.variation_seed)
        yield "Variation seed strength", f"{sampling.variation_strength:g}"
    if request.edit is not None:
        yield "Denoising strength", f"{request.edit.strength:g}"
        if request.edit.mask is not None:
            yield "Mask blur", f"{request.edit.mask_blur:g}"
    if request.prompts.clip_skip:
        yield "Clip skip", str(request.prompts.clip_skip + _DEFAULT_CLIP_SKIP)
    if refine is not None and refine.way is RefinerMode.ENSEMBLE:
        refiner = files.refiner or WeightFile(weight_file_name(refine.checkpoint))
        yield "Refiner", f"{refiner.name} [{refiner.auto_v2}]" if refiner.auto_v2 else refiner.name
        yield "Refiner switch at", f"{refine.handoff:g}"
    yield from _hashes(request, files, checkpoint)
    yield "Version", f"SDXL Desktop {__version__}"


def _hashes(request: GenerationRequest, files: WeightFiles, checkpoint: WeightFile) -> Iterator[tuple[str, str]]:
    loras = [file for file in _lora_files(request, files) if file.auto_v2]
    embeddings = [file for file in files.embeddings if file.auto_v2]
    if loras:
        yield "Lora hashes", ", ".join(f"{_tag_name(file.name)}: {file.auto_v2}" for file in loras)
    if embeddings:
        yield "TI hashes", ", ".join(f"{_tag_name(file.name)}: {file.auto_v2}" for file in embeddings)
    civitai = {"model": checkpoint.auto_v2} if checkpoint.auto_v2 else {}
    civitai |= {f"lora:{_tag_name(file.name)}": file.auto_v2 for file in loras}
    civitai |= {f"embed:{_tag_name(file.name)}": file.auto_v2 for file in embeddings}
    if civitai:
        yield "Hashes", json.dumps(civitai, ensure_ascii=False)


def _lora_files(request: GenerationRequest, files: WeightFiles) -> tuple[WeightFile, ...]:
    named = tuple(WeightFile(weight_file_name(use.file)) for use in request.additions.loras)
    return files.loras if len(files.loras) == len(named) else named


def _tag_name(name: str) -> str:
    """Return a name without the characters that end it in a tag or in a list of hashes."""
    return "".join("_" if character in '<>:,"\n' else character for character in name)


def _quoted(value: str) -> str:
    """Return a value, in JSON's quotes if it contains what separates values; JSON objects stay as they are."""
    if value.startswith("{") or not any(character in value for character in ',:\n"'):
        return value
    return json.dumps(value, ensure_ascii=False)
