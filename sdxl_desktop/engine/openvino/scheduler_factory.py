"""Creates the selectable schedulers from a checkpoint's scheduler configuration."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import diffusers
import torch

from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.core.noise_schedule import NoiseSchedule
from sdxl_desktop.core.schedulers import SchedulerName, config_for, is_edm, validated_config
from sdxl_desktop.core.untrusted_text import display_text

_UNUSABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError, RuntimeError)
"""Exceptions that diffusers raises for invalid configurations."""


def create_scheduler(
    name: SchedulerName, config: Mapping[str, Any], *, seed: int, steps: int, timesteps: Sequence[int] = ()
) -> Any:
    """Create the scheduler `name` with the noise schedule of `config` (a checkpoint's scheduler configuration), set to
    `steps` steps or to the given `timesteps`.

    Schedulers that draw their own noise are seeded with `seed`. Raises RequestError if the scheduler does not support
    the configuration, steps or timesteps.
    """
    _check_supports(name, config)
    try:
        return _create_with_timesteps(name, config, seed, steps, timesteps)
    except RequestError:
        raise
    except _UNUSABLE as problem:
        raise _steps_error(name, steps, timesteps, display_text(str(problem))) from problem


def check_scheduler(
    name: SchedulerName, config: Mapping[str, Any], *, steps: int, timesteps: tuple[int, ...] = ()
) -> None:
    """Raise RequestError if a run with these parameters would fail in the scheduler. The scheduler is run with a single
    number instead of latents, which takes less than a millisecond per step."""
    create_scheduler(name, config, seed=0, steps=steps, timesteps=timesteps)
    config_json = json.dumps(dict(config))
    if not (problem := _cached_problem(name, config_json, steps, timesteps)):
        return
    if _problem(name, config, _USUAL_STEPS):
        able = [
            other for other in SchedulerName if _supports(other, config) and not _problem(other, config, _USUAL_STEPS)
        ]
        raise _unsupported_error(name, config, able)
    raise _steps_error(
        name, steps, timesteps, problem, largest=0 if timesteps else _max_supported_steps(name, config, steps)
    )


_USUAL_STEPS = 8


@lru_cache(maxsize=64)
def _cached_problem(name: SchedulerName, config_json: str, steps: int, timesteps: tuple[int, ...]) -> str:
    return _problem(name, json.loads(config_json), steps, timesteps)


def _max_supported_steps(name: SchedulerName, config: Mapping[str, Any], steps: int) -> int:
    """Return the largest step count below `steps` that `name` supports, among a few tried; 0 if none."""
    near = range(steps - 1, max(0, steps - 10), -1)
    far = (steps * eighths // 8 for eighths in range(7, 0, -1))
    return next((fewer for fewer in (*near, *far) if fewer and not _problem(name, config, fewer)), 0)


def _problem(name: SchedulerName, config: Mapping[str, Any], steps: int, timesteps: Sequence[int] = ()) -> str:
    """Return the problem that occurs in `steps` steps; "" if there is none."""
    source = torch.Generator("cpu").manual_seed(0)
    try:
        scheduler = _create_with_timesteps(name, config, 0, steps, timesteps)
        latents = torch.ones(1, 1, 1, 1) * scheduler.init_noise_sigma
        further = {"generator": source} if accepts_generator(type(scheduler).step) else {}
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, timestep)
            latents = scheduler.step(scaled / 2, timestep, latents, **further, return_dict=False)[0]
            if not torch.isfinite(latents).all():
                return "Two of its noise levels are equal"
    except IndexError:
        return "It would need a timestep beyond those that the checkpoint was trained with"
    except (*_UNUSABLE, AssertionError) as problem:  # NotImplementedError is a RuntimeError
        return display_text(str(problem), 200) or "Its noise levels do not decrease"
    return ""


def _create_with_timesteps(
    name: SchedulerName, config: Mapping[str, Any], seed: int, steps: int, timesteps: Sequence[int] = ()
) -> Any:
    scheduler = copy.deepcopy(_cached_scheduler(name, json.dumps(config_for(name, config, seed=seed))))
    if timesteps:
        _set_custom_timesteps(scheduler, name, timesteps)
    else:
        scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)  # else it looks up the first timestep, and finds the second of two equal ones
    return scheduler


def _steps_error(
    name: SchedulerName, steps: int, timesteps: Sequence[int], why: str, *, largest: int = 0
) -> RequestError:
    fewer = f"Use {largest} steps or fewer" if largest else "Change the number of steps"
    return RequestError(
        f"{name.label} cannot run {'these timesteps' if timesteps else f'{steps} steps'}.",
        why=why.rstrip(".") + ".",
        next_step=f"{fewer}, or choose another scheduler.",
    )


def _check_supports(name: SchedulerName, config: Mapping[str, Any]) -> None:
    if not _supports(name, config):
        raise _unsupported_error(name, config, [other for other in SchedulerName if _supports(other, config)])


def _supports(name: SchedulerName, config: Mapping[str, Any]) -> bool:
    """Whether `name` supports everything in `config` about how the UNet was trained; diffusers would ignore the
    rest."""
    if name.is_edm_scheduler != is_edm(str(config.get("_class_name", ""))):
        return False
    known = inspect.signature(_class(name.class_name).__init__).parameters
    conditions = (
        ("rescale_betas_zero_snr", bool(config.get("rescale_betas_zero_snr"))),
        ("timestep_spacing", config.get("timestep_spacing") == "trailing"),
        ("timestep_type", config.get("timestep_type") == "continuous"),
        ("prediction_type", True),
    )
    return all(key in known for key, is_stated in conditions if is_stated)


def _unsupported_error(name: SchedulerName, config: Mapping[str, Any], able: Sequence[SchedulerName]) -> RequestError:
    schedule = NoiseSchedule.from_config(config)
    return RequestError(
        f"{name.label} cannot draw with this checkpoint.",
        why=f"The checkpoint is sampled with {schedule.description}, which this scheduler does not know.",
        next_step=f"Choose one of: {', '.join(other.label for other in able)}." if able else "Choose another one.",
    )


def complete_config(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's scheduler_config.json, completed with SDXL's defaults and then those of its class.

    Raises CheckpointError if it is invalid or names a class that is not an SDXL scheduler.
    """
    config = validated_config(content)
    try:
        return dict(_class(config.get("_class_name", "")).from_config(config).config)
    except _UNUSABLE as problem:
        raise CheckpointError(
            "The checkpoint's scheduler cannot be used.",
            why=display_text(str(problem)).rstrip(".") + ".",
            next_step="Choose another checkpoint, or export this one again.",
        ) from problem


def _class(name: str) -> Any:
    """Return diffusers' class `name`, which comes from our own table."""
    return getattr(diffusers, name)


@lru_cache(maxsize=64)
def _cached_scheduler(name: SchedulerName, config_json: str) -> Any:
    """Return the scheduler in its initial state, created from `config_json`.

    diffusers takes five times as long to create one as to copy it, and half a second for DPM2.
    """
    return _class(name.class_name).from_config(json.loads(config_json))


@cache
def accepts_generator(step: Callable[..., Any]) -> bool:
    """Whether a scheduler's `step` takes a generator for its own noise."""
    return "generator" in inspect.signature(step).parameters


def _set_custom_timesteps(scheduler: Any, name: SchedulerName, timesteps: Sequence[int]) -> None:
    if not _accepts_timesteps(type(scheduler)):
        able = [other.label for other in SchedulerName if _accepts_timesteps(_class(other.class_name))]
        raise RequestError(
            f"{name.label} does not take custom timesteps.", next_step=f"Choose one of: {', '.join(able)}."
        )
    scheduler.set_timesteps(timesteps=list(timesteps))


def _accepts_timesteps(scheduler_class: Any) -> bool:
    return "timesteps" in inspect.signature(scheduler_class.set_timesteps).parameters
