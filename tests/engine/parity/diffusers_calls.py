"""Draws a request with diffusers' pipelines, or with those that are called like them: stage after stage, as the guides
of diffusers say."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from sdxl_desktop.core.refine import RefinerMode, RefinerParameters
from sdxl_desktop.core.request import GenerationMode, GenerationRequest
from tests.engine.parity import pipeline_arguments
from tests.engine.parity.reference_schedulers import reference_scheduler

Floats = npt.NDArray[np.float32]
"""A picture [H, W, 3] in [0, 1]."""


class PipelineKind(StrEnum):
    """The part of a pipeline class's name that names its task."""

    TEXT_TO_IMAGE = ""
    IMAGE_TO_IMAGE = "Img2Img"
    INPAINT = "Inpaint"


KINDS = {
    GenerationMode.TEXT_TO_IMAGE: PipelineKind.TEXT_TO_IMAGE,
    GenerationMode.IMAGE_TO_IMAGE: PipelineKind.IMAGE_TO_IMAGE,
    GenerationMode.INPAINT: PipelineKind.INPAINT,
}


class Pipelines(Protocol):
    """Hands out pipelines that are called like diffusers'."""

    def pipeline(self, kind: PipelineKind, ov_folder: Path, vae: Path | None = None) -> Any:
        """One for the checkpoint whose OpenVINO parts are in `ov_folder`, perhaps with the VAE of which `vae` holds the
        OpenVINO parts. Its `scheduler` may be replaced."""
        ...

    def scheduler_config(self, ov_folder: Path) -> Any:
        """The checkpoint's own."""
        ...


def run_pipelines(request: GenerationRequest, pipelines: Pipelines) -> Floats:
    """The picture of the request's first seed, float32 [H, W, 3] in [0, 1]; as 8-bit values where diffusers only gives
    those (when only the masked area is drawn)."""
    refine = request.refine
    if refine is None:
        pipe = _pipeline(pipelines, request, KINDS[request.mode], request.checkpoint)
        return _floats(pipe(**_first_stage(request, pipe)).images[0])
    base = _pipeline(pipelines, request, KINDS[request.mode], request.checkpoint)
    takes_over = refine.way is RefinerMode.ENSEMBLE
    ending = {"denoising_end": refine.handoff} if takes_over else {}
    latents = base(**{**_first_stage(request, base), **ending, "output_type": "latent"}).images
    kind = PipelineKind.INPAINT if request.mode is GenerationMode.INPAINT else PipelineKind.IMAGE_TO_IMAGE
    refiner = _pipeline(pipelines, request, kind, refine.checkpoint)
    return _floats(refiner(**_refiner_stage(request, refine, refiner, latents)).images[0])


def _pipeline(pipelines: Pipelines, request: GenerationRequest, kind: PipelineKind, folder: Path) -> Any:
    pipe = pipelines.pipeline(kind, folder, request.additions.vae)
    pipe.scheduler = reference_scheduler(
        request.sampling.scheduler, pipelines.scheduler_config(folder), request.sampling.seed
    )
    return pipe


def _first_stage(request: GenerationRequest, pipe: Any) -> dict[str, Any]:
    arguments = {
        **pipeline_arguments.common_arguments(request, request.sampling.seed),
        **_sizes(request, pipe),
        "output_type": "np",
    }
    edit = request.edit
    if edit is None:
        arguments |= _generated_size(request)
        if request.sampling.variation_strength:
            arguments["latents"] = variation_noise(request, arguments["generator"])
        return arguments
    arguments |= {"image": pipeline_arguments.edit_image(request), "strength": edit.strength}
    if edit.mask is not None:
        arguments |= {"mask_image": pipeline_arguments.mask_image(request), **_generated_size(request)}
        if edit.only_masked is not None:
            arguments |= {"padding_mask_crop": edit.only_masked, "output_type": "pil"}
    return arguments


def _refiner_stage(request: GenerationRequest, refine: RefinerParameters, pipe: Any, latents: Any) -> dict[str, Any]:
    if refine.way is RefinerMode.IMG2IMG or refine.steps is not None:  # custom timesteps are the base's
        request = replace(request, sampling=replace(request.sampling, timesteps=()))
    share: dict[str, Any] = (
        {"denoising_start": refine.handoff} if refine.way is RefinerMode.ENSEMBLE else {"strength": refine.strength}
    )
    if request.mode is GenerationMode.INPAINT:
        share |= {"mask_image": pipeline_arguments.mask_image(request), **_generated_size(request)}
    return {
        **pipeline_arguments.common_arguments(request, request.sampling.seed),
        **_sizes(request, pipe),
        **share,
        "num_inference_steps": refine.steps or request.sampling.steps,
        "image": torch.as_tensor(latents),
        "output_type": "np",
    }


def _generated_size(request: GenerationRequest) -> dict[str, int]:
    return {"width": request.sampling.size.width, "height": request.sampling.size.height}


def _sizes(request: GenerationRequest, pipe: Any) -> dict[str, Any]:
    micro = request.micro_conditioning
    arguments = {
        **pipeline_arguments.positive_size_arguments(micro),
        **pipeline_arguments.negative_size_arguments(micro, request.sampling.size),
    }
    if "Img2Img" in type(pipe).__name__ or "Inpaint" in type(pipe).__name__:
        arguments |= pipeline_arguments.aesthetic_score_arguments(micro)
    return arguments


def variation_noise(request: GenerationRequest, generator: torch.Generator) -> torch.Tensor:
    """Noise of the seed, from `generator`, turned towards the variation seed's on the great circle between them."""
    size, sampling = request.sampling.size, request.sampling
    shape = (1, 4, size.height // 8, size.width // 8)
    one = torch.randn(shape, generator=generator)
    other = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(sampling.variation_seed))
    angle = torch.arccos((one * other).sum() / (one.norm() * other.norm()))
    share = sampling.variation_strength
    return (torch.sin((1 - share) * angle) * one + torch.sin(share * angle) * other) / torch.sin(angle)


def _floats(image: Any) -> Floats:
    if isinstance(image, np.ndarray):
        return image.astype(np.float32)
    return np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)
