"""Selects the timesteps of a stage: all of a scheduler's, or the range given by strength, a hand-off or the user."""

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
    """The range of the noise schedule that a stage denoises.

    `strength` in (0, 1]: the last share of the steps, as in image-to-image. `denoising_start` and `denoising_end` in
    (0, 1): from and up to that fraction of the schedule, as in diffusers' ensemble of expert denoisers.
    """

    strength: float | None = None
    denoising_start: float | None = None
    denoising_end: float | None = None


@dataclass(frozen=True, slots=True)
class StageSchedule:
    """A scheduler with its timesteps set, the `timesteps` of this stage, and the number of `steps` as users count them.

    A second-order scheduler calls the UNet twice per step, so there can be more timesteps than steps.
    """

    scheduler: Any
    timesteps: torch.Tensor
    steps: int

    def remaining_fraction(self, timestep: float) -> float:
        """Return the fraction in [0, 1] of the noise schedule that remains at `timestep`: of its timesteps, or of its
        steps if timesteps are logarithms."""
        everything = self.scheduler.timesteps
        if has_continuous_timesteps(self.scheduler):
            return float((everything <= timestep).sum()) / len(everything)
        return timestep / float(everything[0])

    @property
    def sigmas(self) -> npt.NDArray[np.float64]:
        """σ = √((1 - ᾱ) / ᾱ) at each timestep of the stage, float64 [calls]; linearly interpolated between integer
        timesteps, as in the schedulers. Infinite levels, of zero terminal SNR, are limited as in Euler."""
        timesteps = np.asarray(self.timesteps, dtype=np.float64)
        if has_continuous_timesteps(self.scheduler):
            return np.asarray(np.exp(4 * timesteps))
        alphas = np.maximum(np.asarray(self.scheduler.alphas_cumprod, dtype=np.float64), _SMALLEST_ALPHA)
        return np.asarray(np.interp(timesteps, np.arange(len(alphas)), np.sqrt((1 - alphas) / alphas)))

    def extra_step_kwargs(self, generator: torch.Generator) -> dict[str, Any]:
        """Return the arguments of `scheduler.step` other than prediction, timestep and latents."""
        return {"generator": generator} if scheduler_factory.accepts_generator(type(self.scheduler).step) else {}

    def step_after(self, call: int) -> int:
        """Return the user's step that UNet call `call` (from 0) belongs to; a second-order scheduler makes two calls
        per step."""
        if self.scheduler.order == 2:
            return call // 2 + 1
        return -(-(call + 1) * self.steps // len(self.timesteps))


_SMALLEST_ALPHA = 2.0**-24


def has_continuous_timesteps(scheduler: Any) -> bool:
    """Whether its timesteps are ln(σ) / 4, as in EDM, instead of indices of training timesteps."""
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
    """Return the schedule of one stage. Raises RequestError if the scheduler does not support it or no step is left."""
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
    """Return indices [first, last) into the scheduler's timesteps, cut as in diffusers' pipelines."""
    everything = scheduler.timesteps
    first, last = 0, len(everything)
    if schedule_range.denoising_start is not None:
        count = int((everything < _cutoff_timestep(scheduler, schedule_range.denoising_start)).sum())
        if scheduler.order == 2 and count % 2 == 0:  # never begin between the two calls of a step
            count += 1
        first = len(everything) - count
    elif schedule_range.strength is not None:
        first = (steps - min(int(steps * schedule_range.strength), steps)) * scheduler.order
    if schedule_range.denoising_end is not None:
        last = first + int((everything[first:] >= _cutoff_timestep(scheduler, schedule_range.denoising_end)).sum())
    return first, last


def _cutoff_timestep(scheduler: Any, fraction: float) -> int:
    """Return the training timestep at `fraction` of the noise schedule."""
    trained = float(scheduler.config.num_train_timesteps)
    return round(trained - fraction * trained)
