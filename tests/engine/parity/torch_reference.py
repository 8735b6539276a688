"""diffusers in torch, float32: what everything else is measured against."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import diffusers
import torch

from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import GenerationMode, GenerationRequest
from tests.engine.parity import diffusers_calls, inpaint_ensemble, pipeline_arguments
from tests.engine.parity.diffusers_calls import Floats, PipelineKind, Pipelines
from tests.engine.parity.tiny_checkpoints import torch_folder_of


class TorchPipelines:
    """diffusers' pipelines; parts are read once for each checkpoint and shared by its pipelines."""

    def __init__(self) -> None:
        self._read: dict[Path, Any] = {}
        self._vaes: dict[Path, Any] = {}

    def pipeline(self, kind: PipelineKind, ov_folder: Path, vae: Path | None = None) -> Any:
        read = self.checkpoint(ov_folder)
        parts = dict(read.components)
        if vae is not None:
            parts["vae"] = self._vae(vae)
        options: dict[str, Any] = {"force_zeros_for_empty_prompt": read.config.force_zeros_for_empty_prompt}
        if kind is not PipelineKind.TEXT_TO_IMAGE:
            options["requires_aesthetics_score"] = read.config.get("requires_aesthetics_score", False)
        pipe = getattr(diffusers, f"StableDiffusionXL{kind}Pipeline")(**parts, **options, add_watermarker=False)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def scheduler_config(self, ov_folder: Path) -> Any:
        return self.checkpoint(ov_folder).scheduler.config

    def checkpoint(self, ov_folder: Path) -> Any:
        """The pipeline as it was saved, for its parts and configuration."""
        if ov_folder not in self._read:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._read[ov_folder] = diffusers.DiffusionPipeline.from_pretrained(
                    torch_folder_of(ov_folder), add_watermarker=False
                )
        return self._read[ov_folder]

    def _vae(self, ov_folder: Path) -> Any:
        if ov_folder not in self._vaes:
            self._vaes[ov_folder] = diffusers.AutoencoderKL.from_pretrained(torch_folder_of(ov_folder)).eval()
        return self._vaes[ov_folder]


class TorchReference:
    """Draws requests with diffusers in torch."""

    def __init__(self) -> None:
        self.pipelines = TorchPipelines()

    def generate(self, request: GenerationRequest) -> Floats:
        """float32 [H, W, 3] in [0, 1], the picture of the request's first seed."""
        # without oneDNN, which prepares each call for longer than networks this small compute
        with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False):
            refine = request.refine
            if request.mode is GenerationMode.INPAINT and refine is not None and refine.way is RefinerMode.ENSEMBLE:
                return inpaint_ensemble.run_inpaint_ensemble(request, self.pipelines)
            pipelines: Pipelines = self.pipelines
            if request.mode is GenerationMode.INPAINT and not pipeline_arguments.is_multiple_of(request):
                pipelines = _MaskCoveringTouchedCells(pipelines)
            if request.mode is not GenerationMode.TEXT_TO_IMAGE and pipeline_arguments.has_negative_sizes(
                request.micro_conditioning
            ):
                pipelines = _WithNegativeCrops(pipelines)
            return diffusers_calls.run_pipelines(request, pipelines)


class _MaskCoveringTouchedCells:
    """The same pipelines, given the mask that is really used: each cell of the latents that the mask touches, as a
    whole, where diffusers by itself looks at the cell's corner alone."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines
        self.scheduler_config = pipelines.scheduler_config

    def pipeline(self, kind: PipelineKind, ov_folder: Path, vae: Path | None = None) -> Any:
        pipe = self._pipelines.pipeline(kind, ov_folder, vae)
        if kind is not PipelineKind.INPAINT:
            return pipe
        prepare = pipe.prepare_mask_latents

        def prepared(mask: torch.Tensor, *others: Any, **named: Any) -> Any:
            factor = pipe.vae_scale_factor
            cells = torch.nn.functional.max_pool2d(mask, factor)
            whole = cells.repeat_interleave(factor, dim=-1).repeat_interleave(factor, dim=-2)
            return prepare(whole, *others, **named)

        pipe.prepare_mask_latents = prepared
        return pipe


class _WithNegativeCrops:
    """The same pipelines, with a fault of diffusers corrected: its image-to-image and inpainting pipelines give the
    unconditional half the positive crop and never look at `negative_crops_coords_top_left` (except for refiners)."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines
        self.scheduler_config = pipelines.scheduler_config

    def pipeline(self, kind: PipelineKind, ov_folder: Path, vae: Path | None = None) -> Any:
        pipe = self._pipelines.pipeline(kind, ov_folder, vae)
        if pipe.config.get("requires_aesthetics_score", False):
            return pipe

        def time_ids(
            original: Any,
            crop: Any,
            target: Any,
            _: Any,
            __: Any,
            other: Any,
            other_crop: Any,
            other_target: Any,
            **___: Any,
        ) -> tuple[torch.Tensor, torch.Tensor]:
            return (
                torch.tensor([[*original, *crop, *target]], dtype=torch.float32),
                torch.tensor([[*other, *other_crop, *other_target]], dtype=torch.float32),
            )

        pipe._get_add_time_ids = time_ids
        return pipe
