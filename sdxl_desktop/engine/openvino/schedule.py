"""Which timesteps a stage visits: all of a scheduler's, or the share that strength, a hand-off or a person picks."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.engine.openvino import schedulers


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of the noise schedule that a stage denoises.

    `strength` in (0, 1]: the last share of the steps, as in image-to-image. `begin` and `end` in (0, 1): from and up
    to that fraction of the schedule, as in an ensemble of expert denoisers (diffusers' denoising_start and _end).
    """

    strength: float | None = None
    begin: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A scheduler set to its timesteps, the `timesteps` that this stage visits, and how many `steps` a person counts.

    A second-order scheduler visits the UNet twice a step, so there can be more timesteps than steps.
    """

    scheduler: Any
    timesteps: torch.Tensor
    steps: int

    @property
    def first(self) -> float:
        """The timestep that the whole schedule begins with."""
        return float(self.scheduler.timesteps[0])

    def step_kwargs(self, generator: torch.Generator) -> dict[str, Any]:
        """What `scheduler.step` wants besides prediction, timestep and latents."""
        return {"generator": generator} if _draws_noise(type(self.scheduler).step) else {}

    def step_after(self, call: int) -> int:
        """The person's step that UNet call `call` (from 0) belongs to; a second-order scheduler's has two."""
        if self.scheduler.order == 2:
            return call // 2 + 1
        return -(-(call + 1) * self.steps // len(self.timesteps))


@cache
def _draws_noise(step: Callable[..., Any]) -> bool:
    return "generator" in inspect.signature(step).parameters


def plan(
    name: SchedulerName,
    config: Mapping[str, Any],
    *,
    seed: int,
    steps: int,
    share: Share,
    timesteps: Sequence[int] = (),
) -> Schedule:
    """The schedule of one stage. Raises RequestError when the scheduler cannot do it or nothing is left to denoise."""
    scheduler = schedulers.build(name, config, seed=seed, steps=steps, timesteps=timesteps)
    everything = scheduler.timesteps
    first, last = _bounds(scheduler, steps, share)
    visited = everything[first:last]
    if len(visited) == 0:
        raise RequestError(
            "No step is left to denoise.",
            why=f"Of {steps} steps this strength or hand-off leaves none.",
            next_step="Use more steps, or more strength, or another hand-off.",
        )
    if share.strength is not None or share.begin is not None:
        scheduler.set_begin_index(first) if hasattr(scheduler, "set_begin_index") else None
    if scheduler.order == 2:
        return Schedule(scheduler, visited, math.ceil(len(visited) / 2))
    return Schedule(scheduler, visited, max(1, round(len(visited) * steps / len(everything))))


def _bounds(scheduler: Any, steps: int, share: Share) -> tuple[int, int]:
    """Indices [first, last) into the scheduler's timesteps, cut as diffusers' pipelines cut them."""
    everything = scheduler.timesteps
    first, last = 0, len(everything)
    if share.begin is not None:
        count = int((everything < _cutoff(scheduler, share.begin)).sum())
        if scheduler.order == 2 and count % 2 == 0:  # never begin between the two looks of a step
            count += 1
        first = len(everything) - count
    elif share.strength is not None:
        first = (steps - min(int(steps * share.strength), steps)) * scheduler.order
    if share.end is not None:
        last = first + int((everything[first:] >= _cutoff(scheduler, share.end)).sum())
    return first, last


def _cutoff(scheduler: Any, fraction: float) -> int:
    """The training timestep at `fraction` of the noise schedule."""
    trained = float(scheduler.config.num_train_timesteps)
    return round(trained - fraction * trained)
