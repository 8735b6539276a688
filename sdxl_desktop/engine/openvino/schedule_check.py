"""Checks, before anything is loaded, that a run's scheduler works with its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.untrusted_files import UntrustedFileError, read_json_object
from sdxl_desktop.engine.openvino import scheduler_factory


def check_schedules(request: GenerationRequest) -> None:
    """Raise RequestError if the request's scheduler, steps or timesteps are incompatible with a checkpoint's noise
    schedule. Unreadable files are left to loading, which reports them."""
    sampling, refine = request.sampling, request.refine
    if request.start is None or request.start.step is not None:
        _check(request, request.checkpoint, sampling.steps, sampling.timesteps)
    if refine is not None:
        takes_over = refine.way is RefinerMode.ENSEMBLE and refine.steps is None
        timesteps = sampling.timesteps if takes_over else ()
        _check(request, refine.checkpoint, refine.steps or sampling.steps, timesteps)


def _check(request: GenerationRequest, folder: Path, steps: int, timesteps: tuple[int, ...]) -> None:
    if (config := _config(folder)) is not None:
        sampling = request.sampling
        scheduler_factory.check_scheduler(
            sampling.scheduler, sampling.noise.apply_to(config), steps=steps, timesteps=timesteps
        )


def _config(folder: Path) -> dict[str, Any] | None:
    try:
        return scheduler_factory.complete_config(read_json_object(folder / "scheduler" / "scheduler_config.json"))
    except (UntrustedFileError, CheckpointError, OSError, ValueError):
        return None
