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


def reference_scheduler(name: SchedulerName, config: Any, seed: int) -> Any:
    """A new scheduler on the noise schedule of `config`. DPM++ SDE draws noise of its own, from `seed`."""
    class_name, options = REFERENCE[name]
    if name is SchedulerName.DPMPP_SDE:
        options = {**options, "noise_sampler_seed": seed}
    return getattr(diffusers, class_name).from_config(config, **options)
