"""Which diffusers scheduler each of our names means, written independently of the engine."""

from __future__ import annotations

from typing import Any

import diffusers

from sdxl_desktop.core.schedulers import SchedulerName

REFERENCE: dict[SchedulerName, tuple[str, dict[str, Any]]] = {
    SchedulerName.EULER: ("EulerDiscreteScheduler", {}),
    SchedulerName.EULER_ANCESTRAL: ("EulerAncestralDiscreteScheduler", {}),
    SchedulerName.DDIM: ("DDIMScheduler", {}),
    SchedulerName.DPMPP_2M: ("DPMSolverMultistepScheduler", {}),
    SchedulerName.DPMPP_2M_KARRAS: ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    SchedulerName.DPMPP_SDE: ("DPMSolverSDEScheduler", {}),
    SchedulerName.UNIPC: ("UniPCMultistepScheduler", {}),
    SchedulerName.HEUN: ("HeunDiscreteScheduler", {}),
    SchedulerName.LMS: ("LMSDiscreteScheduler", {}),
    SchedulerName.PNDM: ("PNDMScheduler", {"skip_prk_steps": True}),
    SchedulerName.LCM: ("LCMScheduler", {}),
}

SDXL: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
"""stabilityai/stable-diffusion-xl-base-1.0, scheduler/scheduler_config.json, where diffusers' classes have others."""


def reference_scheduler(name: SchedulerName, config: Any, seed: int) -> Any:
    """A new scheduler on the noise schedule of `config`, SDXL's where it says nothing. DPM++ SDE draws noise of
    its own, from `seed`."""
    class_name, options = REFERENCE[name]
    unsaid = config.get("_use_default_values", ())
    config = {**SDXL, **{key: value for key, value in config.items() if key not in unsaid}}
    if name is SchedulerName.DPMPP_SDE:
        options = {**options, "noise_sampler_seed": seed}
    return getattr(diffusers, class_name).from_config(config, **options)
