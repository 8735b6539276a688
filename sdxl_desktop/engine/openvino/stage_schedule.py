"""Which timesteps a stage visits: all of a scheduler's, or the share that strength, a hand-off or a person picks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.schedulers import SchedulerName, is_edm
from sdxl_desktop.engine.openvino import scheduler_factory


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRange:
    """The part of the noise schedule that a stage denoises.

    `strength` in (0, 1]: the last share of the steps, as in image-to-image. `begin` and `end` in (0, 1): from and up
    to that fraction of the schedule, as in an ensemble of expert denoisers (diffusers' denoising_start and _end).
    """

    strength: float | None = None
    denoising_start: float | None = None
    denoising_end: float | None = None


@dataclass(frozen=True, slots=True)
class StageSchedule:
    """A scheduler set to its timesteps, the `timesteps` that this stage visits, and how many `steps` a person counts.

    A second-order scheduler visits the UNet twice a step, so there can be more timesteps than steps.
    """

    scheduler: Any
    timesteps: torch.Tensor
    steps: int

    def remaining_fraction(self, timestep: float) -> float:
        """The share in [0, 1] of the noise schedule that is left at `timestep`: of its timesteps, or, where these are
        logarithms, of its steps."""
        everything = self.scheduler.timesteps
        if has_continuous_timesteps(self.scheduler):
            return float((everything <= timestep).sum()) / len(everything)
        return timestep / float(everything[0])

    @property
    def sigmas(self) -> npt.NDArray[np.float64]:
        """σ = √((1 - ᾱ) / ᾱ) at each timestep that is visited, float64 [calls]; linear between whole timesteps, as
        schedulers' own are. Infinite levels, of zero terminal SNR, are as large as Euler's."""
        timesteps = np.asarray(self.timesteps, dtype=np.float64)
        if has_continuous_timesteps(self.scheduler):
            return np.asarray(np.exp(4 * timesteps))
        alphas = np.maximum(np.asarray(self.scheduler.alphas_cumprod, dtype=np.float64), _SMALLEST_ALPHA)
        return np.asarray(np.interp(timesteps, np.arange(len(alphas)), np.sqrt((1 - alphas) / alphas)))

    def extra_step_kwargs(self, generator: torch.Generator) -> dict[str, Any]:
        """What `scheduler.step` wants besides prediction, timestep and latents."""
        return {"generator": generator} if scheduler_factory.accepts_generator(type(self.scheduler).step) else {}

    def step_after(self, call: int) -> int:
        """The person's step that UNet call `call` (from 0) belongs to; a second-order scheduler's has two."""
        if self.scheduler.order == 2:
            return call // 2 + 1
        return -(-(call + 1) * self.steps // len(self.timesteps))


_SMALLEST_ALPHA = 2.0**-24


def has_continuous_timesteps(scheduler: Any) -> bool:
    """Whether its timesteps are ln(σ) / 4, as EDM has them, and not places in the training's row of timesteps."""
    config = scheduler.config
    return is_edm(type(scheduler).__name__) or (
        config.get("timestep_type") == "continuous" and config.get("prediction_type") == "v_prediction"
    )


def plan_schedule(
    name: SchedulerName,
    config: Mapping[str, Any],
    *,
    seed: int,
    steps: int,
    schedule_range: ScheduleRange,
    timesteps: Sequence[int] = (),
) -> StageSchedule:
    """The schedule of one stage. Raises RequestError when the scheduler cannot do it or nothing is left to denoise."""
    scheduler = scheduler_factory.create_scheduler(name, config, seed=seed, steps=steps, timesteps=timesteps)
    if has_continuous_timesteps(scheduler) and (
        schedule_range.denoising_start is not None or schedule_range.denoising_end is not None
    ):
        raise RequestError(
            "This checkpoint cannot hand its latents to a refiner, or take them over.",
            why="Its timesteps have no fraction of the schedule to do it at: they are logarithms of the noise.",
            next_step="Let the refiner retouch the finished picture (img2img).",
        )
    everything = scheduler.timesteps
    first, last = _timestep_bounds(scheduler, steps, schedule_range)
    visited = everything[first:last]
    if len(visited) == 0:
        raise RequestError(
            "No step is left to denoise.",
            why=f"Of {steps} steps this strength or hand-off leaves none.",
            next_step="Use more steps, or more strength, or another hand-off.",
        )
    if schedule_range.strength is not None or schedule_range.denoising_start is not None:
        scheduler.set_begin_index(first) if hasattr(scheduler, "set_begin_index") else None
    if scheduler.order == 2:
        return StageSchedule(scheduler, visited, math.ceil(len(visited) / 2))
    return StageSchedule(scheduler, visited, max(1, round(len(visited) * steps / len(everything))))


def _timestep_bounds(scheduler: Any, steps: int, schedule_range: ScheduleRange) -> tuple[int, int]:
    """Indices [first, last) into the scheduler's timesteps, cut as diffusers' pipelines cut them."""
    everything = scheduler.timesteps
    first, last = 0, len(everything)
    if schedule_range.denoising_start is not None:
        count = int((everything < _cutoff_timestep(scheduler, schedule_range.denoising_start)).sum())
        if scheduler.order == 2 and count % 2 == 0:  # never begin between the two looks of a step
            count += 1
        first = len(everything) - count
    elif schedule_range.strength is not None:
        first = (steps - min(int(steps * schedule_range.strength), steps)) * scheduler.order
    if schedule_range.denoising_end is not None:
        last = first + int((everything[first:] >= _cutoff_timestep(scheduler, schedule_range.denoising_end)).sum())
    return first, last


def _cutoff_timestep(scheduler: Any, fraction: float) -> int:
    """The training timestep at `fraction` of the noise schedule."""
    trained = float(scheduler.config.num_train_timesteps)
    return round(trained - fraction * trained)
