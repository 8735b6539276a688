"""Builds the schedulers a person can choose from the one that a checkpoint came with."""

from __future__ import annotations

from collections.abc import Mapping
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


def build(name: SchedulerName, config: Mapping[str, Any], *, seed: int, steps: int) -> Any:
    """The scheduler `name` on the noise schedule of `config` (a checkpoint's scheduler configuration).

    DPM++ SDE draws its own noise, from `seed`. Raises RequestError when it cannot run `steps` steps.
    """
    scheduler_class, options = _CLASSES[name]
    schedule = {key: value for key, value in config.items() if key not in _SPACING}
    if name is SchedulerName.DPMPP_SDE:
        options = {**options, "noise_sampler_seed": seed}
    scheduler = scheduler_class.from_config(schedule, **options)
    try:
        scheduler.set_timesteps(steps)
    except (ValueError, IndexError, ZeroDivisionError) as problem:
        raise RequestError(
            f"{name.label} cannot run {steps} steps.",
            why=f"{problem}".rstrip(".") + ".",
            next_step="Change the number of steps or choose another scheduler.",
        ) from problem
    return scheduler
