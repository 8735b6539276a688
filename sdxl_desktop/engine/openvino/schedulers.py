"""Builds the schedulers a person can choose from the one that a checkpoint came with."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import diffusers

from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.schedulers import SIGMAS, SchedulerName, checked_config

_UNUSABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError, RuntimeError)
"""What diffusers raises for configurations that it cannot use."""


def build(
    name: SchedulerName, config: Mapping[str, Any], *, seed: int, steps: int, timesteps: Sequence[int] = ()
) -> Any:
    """The scheduler `name` on the noise schedule of `config` (a checkpoint's scheduler configuration), set to `steps`
    steps of its own or to the given `timesteps`.

    DPM++ SDE draws its own noise, from `seed`. Raises RequestError when it cannot do what is asked.
    """
    options = {"noise_sampler_seed": seed} if name is SchedulerName.DPMPP_SDE else {}
    try:
        scheduler = copy.deepcopy(_fresh(name, json.dumps([dict(config), options])))
        if timesteps:
            _set_custom(scheduler, name, timesteps)
        else:
            scheduler.set_timesteps(steps)
    except RequestError:
        raise
    except _UNUSABLE as problem:
        raise RequestError(
            f"{name.label} cannot run {'these timesteps' if timesteps else f'{steps} steps'}.",
            why=shown(str(problem)).rstrip(".") + ".",
            next_step="Change the number of steps or choose another scheduler.",
        ) from problem
    return scheduler


def complete_config(content: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's scheduler_config.json with SDXL's values for what it leaves out, and beyond these its class's.

    Raises CheckpointError for one that cannot be used, or names a class that is no scheduler of SDXL's.
    """
    config = checked_config(content)
    try:
        return dict(_class(config["_class_name"]).from_config(config).config)
    except _UNUSABLE as problem:
        raise CheckpointError(
            "The checkpoint's scheduler cannot be used.",
            why=shown(str(problem)).rstrip(".") + ".",
            next_step="Choose another checkpoint, or export this one again.",
        ) from problem


def _class(name: str) -> Any:
    """diffusers' class called `name`, which comes from our own table."""
    return getattr(diffusers, name)


@lru_cache(maxsize=8)
def _fresh(name: SchedulerName, told: str) -> Any:
    """The scheduler as it is before any step, of `told`: the JSON of a checkpoint's configuration and of options.

    diffusers takes five times as long to make one as copying it takes.
    """
    config, options = json.loads(told)
    schedule = {key: value for key, value in config.items() if key not in SIGMAS}
    return _class(name.class_name).from_config(schedule, **name.options, **options)


def _set_custom(scheduler: Any, name: SchedulerName, timesteps: Sequence[int]) -> None:
    if not _takes_timesteps(type(scheduler)):
        able = [other.label for other in SchedulerName if _takes_timesteps(_class(other.class_name))]
        raise RequestError(
            f"{name.label} does not take custom timesteps.", next_step=f"Choose one of: {', '.join(able)}."
        )
    scheduler.set_timesteps(timesteps=list(timesteps))


def _takes_timesteps(scheduler_class: Any) -> bool:
    return "timesteps" in inspect.signature(scheduler_class.set_timesteps).parameters
