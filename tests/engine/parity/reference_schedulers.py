"""Which diffusers scheduler each of our names means, written independently of the engine."""

from __future__ import annotations

from typing import Any

import diffusers

from sdxl_desktop.core.schedulers import SchedulerName

_SDE = {"algorithm_type": "sde-dpmsolver++"}
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
    SchedulerName.EULER_KARRAS: ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    SchedulerName.EULER_EXPONENTIAL: ("EulerDiscreteScheduler", {"use_exponential_sigmas": True}),
    SchedulerName.EULER_BETA: ("EulerDiscreteScheduler", {"use_beta_sigmas": True}),
    SchedulerName.DPMPP_2M_EXPONENTIAL: ("DPMSolverMultistepScheduler", {"use_exponential_sigmas": True}),
    SchedulerName.DPMPP_2M_BETA: ("DPMSolverMultistepScheduler", {"use_beta_sigmas": True}),
    SchedulerName.DPMPP_2M_SDE: ("DPMSolverMultistepScheduler", _SDE),
    SchedulerName.DPMPP_2M_SDE_KARRAS: ("DPMSolverMultistepScheduler", {**_SDE, "use_karras_sigmas": True}),
    SchedulerName.DPMPP_3M_SDE: ("DPMSolverMultistepScheduler", {**_SDE, "solver_order": 3}),
    SchedulerName.DPMPP_3M_SDE_KARRAS: (
        "DPMSolverMultistepScheduler",
        {**_SDE, "solver_order": 3, "use_karras_sigmas": True},
    ),
    SchedulerName.DPMPP_SDE_KARRAS: ("DPMSolverSDEScheduler", {"use_karras_sigmas": True}),
    SchedulerName.DPM2: ("KDPM2DiscreteScheduler", {}),
    SchedulerName.DPM2_KARRAS: ("KDPM2DiscreteScheduler", {"use_karras_sigmas": True}),
    SchedulerName.DPM2_ANCESTRAL: ("KDPM2AncestralDiscreteScheduler", {}),
    SchedulerName.DPM2_ANCESTRAL_KARRAS: ("KDPM2AncestralDiscreteScheduler", {"use_karras_sigmas": True}),
    SchedulerName.LMS_KARRAS: ("LMSDiscreteScheduler", {"use_karras_sigmas": True}),
    SchedulerName.TCD: ("TCDScheduler", {}),
    SchedulerName.DDPM: ("DDPMScheduler", {}),
    SchedulerName.DPMPP_2S: ("DPMSolverSinglestepScheduler", {"lower_order_final": True}),
    SchedulerName.DPMPP_2S_KARRAS: (
        "DPMSolverSinglestepScheduler",
        {"lower_order_final": True, "use_karras_sigmas": True},
    ),
    SchedulerName.DEIS: ("DEISMultistepScheduler", {}),
    SchedulerName.SA_SOLVER: ("SASolverScheduler", {}),
    SchedulerName.EDM_EULER: ("EDMEulerScheduler", {}),
    SchedulerName.EDM_DPMPP_2M: ("EDMDPMSolverMultistepScheduler", {}),
    SchedulerName.EDM_DPMPP_2M_SDE: ("EDMDPMSolverMultistepScheduler", _SDE),
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
    """A new scheduler on the noise schedule of `config`, SDXL's for values that it lacks. DPM++ SDE draws noise of
    its own, from `seed`."""
    class_name, options = REFERENCE[name]
    unsaid = config.get("_use_default_values", ())
    config = {**SDXL, **{key: value for key, value in config.items() if key not in unsaid}}
    if class_name == "DPMSolverSDEScheduler":
        options = {**options, "noise_sampler_seed": seed}
    return getattr(diffusers, class_name).from_config(config, **options)
