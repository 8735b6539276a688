"""Builds the schedulers a person can choose from the one that a checkpoint came with."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSDEScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LCMScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.schedulers import SchedulerName

_CLASSES: dict[SchedulerName, tuple[Any, dict[str, Any]]] = {
    SchedulerName.EULER: (EulerDiscreteScheduler, {}),
    SchedulerName.EULER_ANCESTRAL: (EulerAncestralDiscreteScheduler, {}),
    SchedulerName.DDIM: (DDIMScheduler, {}),
    SchedulerName.DPMPP_2M: (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++"}),
    SchedulerName.DPMPP_2M_KARRAS: (
        DPMSolverMultistepScheduler,
        {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
    ),
    SchedulerName.DPMPP_SDE: (DPMSolverSDEScheduler, {}),
    SchedulerName.UNIPC: (UniPCMultistepScheduler, {}),
    SchedulerName.HEUN: (HeunDiscreteScheduler, {}),
    SchedulerName.LMS: (LMSDiscreteScheduler, {}),
    SchedulerName.PNDM: (PNDMScheduler, {"skip_prk_steps": True}),
    SchedulerName.LCM: (LCMScheduler, {}),
}
_SPACING = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")


def build(
    name: SchedulerName, config: Mapping[str, Any], *, seed: int, steps: int, timesteps: Sequence[int] = ()
) -> Any:
    """The scheduler `name` on the noise schedule of `config` (a checkpoint's scheduler configuration), set to `steps`
    steps of its own or to the given `timesteps`.

    DPM++ SDE draws its own noise, from `seed`. Raises RequestError when it cannot do what is asked.
    """
    options = {"noise_sampler_seed": seed} if name is SchedulerName.DPMPP_SDE else {}
    scheduler = copy.deepcopy(_fresh(name, json.dumps([dict(config), options])))
    try:
        if timesteps:
            _set_custom(scheduler, name, timesteps)
        else:
            scheduler.set_timesteps(steps)
    except (ValueError, IndexError, ZeroDivisionError) as problem:
        raise RequestError(
            f"{name.label} cannot run {'these timesteps' if timesteps else f'{steps} steps'}.",
            why=f"{problem}".rstrip(".") + ".",
            next_step="Change the number of steps or choose another scheduler.",
        ) from problem
    return scheduler


@lru_cache(maxsize=8)
def _fresh(name: SchedulerName, told: str) -> Any:
    """The scheduler as it is before any step, of `told`: the JSON of a checkpoint's configuration and of options.

    diffusers takes five times as long to make one as copying it takes.
    """
    config, options = json.loads(told)
    scheduler_class, own = _CLASSES[name]
    schedule = {key: value for key, value in config.items() if key not in _SPACING}
    return scheduler_class.from_config(schedule, **own, **options)


def _set_custom(scheduler: Any, name: SchedulerName, timesteps: Sequence[int]) -> None:
    if not _takes_timesteps(type(scheduler)):
        able = [other.label for other, (made, _) in _CLASSES.items() if _takes_timesteps(made)]
        raise RequestError(
            f"{name.label} does not take custom timesteps.", next_step=f"Choose one of: {', '.join(able)}."
        )
    scheduler.set_timesteps(timesteps=list(timesteps))


def _takes_timesteps(scheduler_class: Any) -> bool:
    return "timesteps" in inspect.signature(scheduler_class.set_timesteps).parameters
