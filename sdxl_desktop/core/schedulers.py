"""The table of schedulers: user-facing names, diffusers' classes, and the allowed contents of their configs.

This table alone decides which class is loaded: a checkpoint's scheduler_config.json is looked up here and never
trusted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple, cast

from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.core.untrusted_text import display_text


class SchedulerName(StrEnum):
    """A scheduler; the value is used on the command line and in metadata."""

    EULER = "euler"
    EULER_KARRAS = "euler-karras"
    EULER_EXPONENTIAL = "euler-exponential"
    EULER_BETA = "euler-beta"
    EULER_ANCESTRAL = "euler-a"
    DDIM = "ddim"
    DDPM = "ddpm"
    DPMPP_2M = "dpmpp-2m"
    DPMPP_2M_KARRAS = "dpmpp-2m-karras"
    DPMPP_2M_EXPONENTIAL = "dpmpp-2m-exponential"
    DPMPP_2M_BETA = "dpmpp-2m-beta"
    DPMPP_2M_SDE = "dpmpp-2m-sde"
    DPMPP_2M_SDE_KARRAS = "dpmpp-2m-sde-karras"
    DPMPP_3M_SDE = "dpmpp-3m-sde"
    DPMPP_3M_SDE_KARRAS = "dpmpp-3m-sde-karras"
    DPMPP_2S = "dpmpp-2s"
    DPMPP_2S_KARRAS = "dpmpp-2s-karras"
    DPMPP_SDE = "dpmpp-sde"
    DPMPP_SDE_KARRAS = "dpmpp-sde-karras"
    DPM2 = "dpm2"
    DPM2_KARRAS = "dpm2-karras"
    DPM2_ANCESTRAL = "dpm2-a"
    DPM2_ANCESTRAL_KARRAS = "dpm2-a-karras"
    UNIPC = "unipc"
    DEIS = "deis"
    SA_SOLVER = "sa-solver"
    HEUN = "heun"
    LMS = "lms"
    LMS_KARRAS = "lms-karras"
    PNDM = "pndm"
    LCM = "lcm"
    TCD = "tcd"
    EDM_EULER = "edm-euler"
    EDM_DPMPP_2M = "edm-dpmpp-2m"
    EDM_DPMPP_2M_SDE = "edm-dpmpp-2m-sde"

    @property
    def label(self) -> str:
        """The display name."""
        return _TABLE[self].label

    @property
    def class_name(self) -> str:
        """The diffusers class."""
        return _TABLE[self].class_name

    @property
    def options(self) -> Mapping[str, Any]:
        """The constructor arguments of the class, apart from a checkpoint's noise schedule."""
        return _TABLE[self].options

    @property
    def config(self) -> dict[str, Any]:
        """The scheduler_config.json entries that select it, apart from the noise schedule."""
        return {"_class_name": self.class_name, **self.options}

    @property
    def explanation(self) -> str:
        """One plain sentence on when to choose it."""
        return _TABLE[self].explanation

    @property
    def is_edm_scheduler(self) -> bool:
        """Whether it is for checkpoints with EDM noise scaling only."""
        return is_edm(self.class_name)

    @property
    def needs_noise_sampler_seed(self) -> bool:
        """Whether its constructor takes `noise_sampler_seed` and it samples its own noise."""
        return self.class_name == _SDE

    @classmethod
    def parse(cls, text: str) -> SchedulerName:
        """Parse a name in any spelling ("DPM++ 2M Karras", "dpmpp_2m_karras"); raises RequestError."""
        wanted = _fold(text)
        for name in cls:
            if wanted in (_fold(name.value), _fold(name.label)):
                return name
        raise RequestError(
            f"There is no scheduler called {display_text(text)!r}.",
            next_step="Choose one of: " + ", ".join(name.value for name in cls) + ".",
        )


def _fold(text: str) -> str:
    return "".join(c for c in text.lower().replace("++", "pp") if c.isalnum())


class _SchedulerInfo(NamedTuple):
    label: str
    class_name: str
    options: Mapping[str, Any]
    explanation: str


_EULER, _MULTISTEP, _SDE = "EulerDiscreteScheduler", "DPMSolverMultistepScheduler", "DPMSolverSDEScheduler"
_SINGLESTEP, _DEIS_SOLVER, _SA_SOLVER = "DPMSolverSinglestepScheduler", "DEISMultistepScheduler", "SASolverScheduler"
_KDPM2, _KDPM2_A = "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"
_LMS, _EDM_MULTISTEP = "LMSDiscreteScheduler", "EDMDPMSolverMultistepScheduler"
_KARRAS, _EXPONENTIAL, _BETA = ({f"use_{name}_sigmas": True} for name in ("karras", "exponential", "beta"))
_TWO_M = {"algorithm_type": "dpmsolver++", "solver_order": 2}
_TWO_M_SDE = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}
_THREE_M_SDE = {"algorithm_type": "sde-dpmsolver++", "solver_order": 3}
_TWO_S = {**_TWO_M, "lower_order_final": True}  # else diffusers switches it on, with a warning
_LONGER = "asks the UNet twice at each step, so a step takes twice as long"

# fmt: off
# ruff: noqa: E501
_TABLE: dict[SchedulerName, _SchedulerInfo] = {
    SchedulerName.EULER: _SchedulerInfo("Euler", _EULER, {}, "The steady default of SDXL: simple and predictable."),
    SchedulerName.EULER_KARRAS: _SchedulerInfo("Euler Karras", _EULER, _KARRAS, "Euler with more steps spent on fine detail."),
    SchedulerName.EULER_EXPONENTIAL: _SchedulerInfo("Euler exponential", _EULER, _EXPONENTIAL, "Euler with noise levels that fall by the same factor at each step: still more steps for fine detail."),
    SchedulerName.EULER_BETA: _SchedulerInfo("Euler beta", _EULER, _BETA, "Euler with more steps at the beginning and at the end."),
    SchedulerName.EULER_ANCESTRAL: _SchedulerInfo("Euler a", "EulerAncestralDiscreteScheduler", {}, "Adds fresh noise at every step: softer, more varied, never quite settles."),
    SchedulerName.DDIM: _SchedulerInfo("DDIM", "DDIMScheduler", {}, "The classic: deterministic and smooth."),
    SchedulerName.DDPM: _SchedulerInfo("DDPM", "DDPMScheduler", {}, "The original method, with fresh noise at every step; wants 50 steps or more."),
    SchedulerName.DPMPP_2M: _SchedulerInfo("DPM++ 2M", _MULTISTEP, _TWO_M, "Good pictures in 20 to 30 steps."),
    SchedulerName.DPMPP_2M_KARRAS: _SchedulerInfo("DPM++ 2M Karras", _MULTISTEP, _TWO_M | _KARRAS, "Like DPM++ 2M with more steps spent on fine detail."),
    SchedulerName.DPMPP_2M_EXPONENTIAL: _SchedulerInfo("DPM++ 2M exponential", _MULTISTEP, _TWO_M | _EXPONENTIAL, "Like DPM++ 2M with noise levels that fall by the same factor at each step."),
    SchedulerName.DPMPP_2M_BETA: _SchedulerInfo("DPM++ 2M beta", _MULTISTEP, _TWO_M | _BETA, "Like DPM++ 2M with more steps at the beginning and at the end."),
    SchedulerName.DPMPP_2M_SDE: _SchedulerInfo("DPM++ 2M SDE", _MULTISTEP, _TWO_M_SDE, "DPM++ 2M with fresh noise at every step: richer detail, more varied."),
    SchedulerName.DPMPP_2M_SDE_KARRAS: _SchedulerInfo("DPM++ 2M SDE Karras", _MULTISTEP, _TWO_M_SDE | _KARRAS, "Like DPM++ 2M SDE with more steps spent on fine detail."),
    SchedulerName.DPMPP_3M_SDE: _SchedulerInfo("DPM++ 3M SDE", _MULTISTEP, _THREE_M_SDE, "Fresh noise at every step; wants 30 steps or more."),
    SchedulerName.DPMPP_3M_SDE_KARRAS: _SchedulerInfo("DPM++ 3M SDE Karras", _MULTISTEP, _THREE_M_SDE | _KARRAS, "Like DPM++ 3M SDE with more steps spent on fine detail."),
    SchedulerName.DPMPP_2S: _SchedulerInfo("DPM++ 2S", _SINGLESTEP, _TWO_S, "Second order in pairs of steps: steady with strong guidance; wants an even number of steps."),
    SchedulerName.DPMPP_2S_KARRAS: _SchedulerInfo("DPM++ 2S Karras", _SINGLESTEP, _TWO_S | _KARRAS, "Like DPM++ 2S with more steps spent on fine detail."),
    SchedulerName.DPMPP_SDE: _SchedulerInfo("DPM++ SDE", _SDE, {}, f"Rich detail; {_LONGER}."),
    SchedulerName.DPMPP_SDE_KARRAS: _SchedulerInfo("DPM++ SDE Karras", _SDE, _KARRAS, f"Like DPM++ SDE with more steps spent on fine detail; {_LONGER}."),
    SchedulerName.DPM2: _SchedulerInfo("DPM2", _KDPM2, {}, f"Precise; {_LONGER}."),
    SchedulerName.DPM2_KARRAS: _SchedulerInfo("DPM2 Karras", _KDPM2, _KARRAS, f"Like DPM2 with more steps spent on fine detail; {_LONGER}."),
    SchedulerName.DPM2_ANCESTRAL: _SchedulerInfo("DPM2 a", _KDPM2_A, {}, f"DPM2 with fresh noise at every step; {_LONGER}."),
    SchedulerName.DPM2_ANCESTRAL_KARRAS: _SchedulerInfo("DPM2 a Karras", _KDPM2_A, _KARRAS, f"Like DPM2 a with more steps spent on fine detail; {_LONGER}."),
    SchedulerName.UNIPC: _SchedulerInfo("UniPC", "UniPCMultistepScheduler", {}, "Very good at few steps, from about 10."),
    SchedulerName.DEIS: _SchedulerInfo("DEIS", _DEIS_SOLVER, {"algorithm_type": "deis"}, "An exponential multistep method: good pictures in 15 to 25 steps."),
    SchedulerName.SA_SOLVER: _SchedulerInfo("SA-Solver", _SA_SOLVER, {"algorithm_type": "data_prediction"}, "Predicts and corrects, with fresh noise in the middle of the schedule: rich detail in 20 to 30 steps."),
    SchedulerName.HEUN: _SchedulerInfo("Heun", "HeunDiscreteScheduler", {}, f"Careful: {_LONGER}."),
    SchedulerName.LMS: _SchedulerInfo("LMS", _LMS, {}, "An older multistep method; smooth at many steps."),
    SchedulerName.LMS_KARRAS: _SchedulerInfo("LMS Karras", _LMS, _KARRAS, "Like LMS with more steps spent on fine detail."),
    SchedulerName.PNDM: _SchedulerInfo("PNDM", "PNDMScheduler", {"skip_prk_steps": True}, "An older multistep method; the first Stable Diffusion default."),
    SchedulerName.LCM: _SchedulerInfo("LCM", "LCMScheduler", {}, "Only for few-step checkpoints (LCM): 2 to 8 steps."),
    SchedulerName.TCD: _SchedulerInfo("TCD", "TCDScheduler", {}, "Only for few-step checkpoints (TCD, Hyper): 1 to 8 steps."),
    SchedulerName.EDM_EULER: _SchedulerInfo("EDM Euler", "EDMEulerScheduler", {}, "Only for checkpoints trained with EDM's noise: simple and predictable."),
    SchedulerName.EDM_DPMPP_2M: _SchedulerInfo("EDM DPM++ 2M", _EDM_MULTISTEP, _TWO_M, "Only for checkpoints trained with EDM's noise: good pictures in 20 to 50 steps."),
    SchedulerName.EDM_DPMPP_2M_SDE: _SchedulerInfo("EDM DPM++ 2M SDE", _EDM_MULTISTEP, _TWO_M_SDE, "Only for checkpoints trained with EDM's noise: fresh noise at every step."),
}
# fmt: on

FEW_STEP_SCHEDULERS = (SchedulerName.LCM, SchedulerName.TCD)
"""For distilled checkpoints only."""


def is_edm(class_name: str) -> bool:
    """Whether diffusers' class of that name scales noise and picture as EDM does (Karras et al., arXiv 2206.00364)."""
    return class_name.startswith("EDM")


NON_EDM_SCHEDULERS = tuple(name for name in SchedulerName if not name.is_edm_scheduler)
EDM_SCHEDULERS = tuple(name for name in SchedulerName if name.is_edm_scheduler)
"""The schedulers for a checkpoint trained with EDM noise; `NON_EDM_SCHEDULERS` are for all others."""

KNOWN_CLASSES = frozenset(name.class_name for name in SchedulerName)
"""diffusers' schedulers on SDXL's noise schedule, or EDM's. A checkpoint that names another one is refused; one made
for a variant that the table lacks can be used with another, which is then reported."""

_SPACING: Mapping[str, Any] = {"use_karras_sigmas": False, "use_exponential_sigmas": False, "use_beta_sigmas": False}
_SPACING_OR_FLOW: Mapping[str, Any] = {**_SPACING, "use_flow_sigmas": False}
_LU: Mapping[str, Any] = {"use_lu_lambdas": False}
_SOLVER: Mapping[str, Any] = {"algorithm_type": "dpmsolver++", "solver_order": 2}
_VARIANTS: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys((_EULER, _SDE, _KDPM2, _KDPM2_A, _LMS, "HeunDiscreteScheduler"), _SPACING),
    "UniPCMultistepScheduler": _SPACING_OR_FLOW,
    _DEIS_SOLVER: {**_SPACING_OR_FLOW, "algorithm_type": "deis"},
    _SA_SOLVER: {**_SPACING_OR_FLOW, "algorithm_type": "data_prediction"},
    _SINGLESTEP: {**_SPACING_OR_FLOW, **_SOLVER},
    _MULTISTEP: {**_SPACING_OR_FLOW, **_LU, **_SOLVER},
    _EDM_MULTISTEP: _SOLVER,
    "PNDMScheduler": {"skip_prk_steps": True},
}
"""By class, the config keys that select a variant of the class, with their defaults. Only keys that the class uses:
diffusers also writes keys of previously used schedulers into a config."""

_SIGMAS = frozenset({*_SPACING_OR_FLOW, *_LU})
VARIANT_KEYS = frozenset({*_SIGMAS, *_SOLVER})
"""Config keys that belong to a name in the table, not to a checkpoint's noise schedule."""

_DEFAULTS = "_use_default_values"

_SAME_AS = {"deis": "dpmsolver++"}
"""Values that diffusers replaces with others."""


def _variant(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variant keys of `config`, with defaults for missing ones."""
    usual = _VARIANTS.get(config["_class_name"], {})
    stated = {key: usual[key] if config.get(key) is None else config[key] for key in usual}
    return {key: _SAME_AS.get(value, value) if isinstance(value, str) else value for key, value in stated.items()}


def scheduler_from_config(config: Mapping[str, Any]) -> SchedulerName | None:
    """Return the scheduler in the table that a validated `config` selects; None if the table lacks it."""
    for name in _of_class(config["_class_name"]):
        if _variant(name.config) == _variant(config):
            return name
    return None


def nearest_scheduler(config: Mapping[str, Any]) -> SchedulerName:
    """Return the scheduler that a validated `config` selects. If the table lacks it, the most similar one of its class,
    where the solver counts more than the spacing of noise levels."""
    asked = _variant(config)

    def differences(name: SchedulerName) -> tuple[bool, ...]:
        own = _variant(name.config)
        return tuple(own[key] != asked[key] for key in sorted(asked, key=lambda key: key not in _SOLVER))

    return min(_of_class(config["_class_name"]), key=differences)


def _of_class(class_name: str) -> list[SchedulerName]:
    return [name for name in SchedulerName if name.class_name == class_name]


def config_for_class(config: Mapping[str, Any], class_name: str) -> dict[str, Any]:
    """Return the entries of a validated `config` for another scheduler of diffusers' class `class_name`: all, but
    without the variant keys if the class differs."""
    own = _SIGMAS if config.get("_class_name") == class_name else VARIANT_KEYS
    return {key: value for key, value in config.items() if key not in own}


def config_for(name: SchedulerName, config: Mapping[str, Any], *, seed: int = 0) -> dict[str, Any]:
    """Return the config from which diffusers' class of `name` is created (`from_config`) on the noise schedule of a
    checkpoint's validated `config`. `seed` is for schedulers that sample their own noise.

    diffusers lists in a scheduler's config which values are its class's defaults (`_use_default_values`), and another
    class takes its own defaults for them. This list must not reach `from_config`: it would undo the options of `name`.
    """
    seeded = {"noise_sampler_seed": seed} if name.needs_noise_sampler_seed else {}
    defaults = {_DEFAULTS, *config.get(_DEFAULTS, ())}
    given = {key: value for key, value in config_for_class(config, name.class_name).items() if key not in defaults}
    return {**given, **name.options, **seeded}


def changed_config(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scheduler_config.json content `config` with `changes`. If these name a class, the variant keys of
    `config` are dropped: Karras noise levels, for example, do not belong to the requested scheduler."""
    kept = {key: value for key, value in config.items() if "_class_name" not in changes or key not in VARIANT_KEYS}
    return {**kept, **changes}


def unavailable_scheduler(config: Mapping[str, Any]) -> str:
    """Return the scheduler that a validated `config` selects, in diffusers' terms, if the table lacks it; else ""."""
    return "" if scheduler_from_config(config) is not None else _describe_config(config)


def _describe_config(config: Mapping[str, Any]) -> str:
    """Describe its class and variant."""
    kind = str(config["_class_name"])
    variants = [_setting(key, value) for key, value in _variant(config).items() if value != _VARIANTS[kind][key]]
    return f"{kind} ({', '.join(variants)})" if variants else kind


def _setting(key: str, value: object) -> str:
    if value is True:
        return key
    return display_text(f"{key} {value}" if isinstance(value, int) else str(value), 40)


SDXL_SCHEDULER_CONFIG: Mapping[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
}
"""SDXL's own scheduler_config.json, used as defaults for missing keys. diffusers would use the defaults that each class
was first made for: a linear schedule, and with DDIM latents that are clipped to -1 and 1."""

_EDM_KEYS = ("num_train_timesteps", "prediction_type")
"""The entries that EDM schedulers use; their noise levels are not a schedule of betas."""

_COUNT_LIMITS = {
    "num_train_timesteps": (1, 10_000),
    "solver_order": (1, 8),
    "predictor_order": (1, 4),
    "corrector_order": (0, 4),
    "original_inference_steps": (1, 10_000),
}
_MAX_LIST_LENGTH = 10_000
_MAX_NUMBER = 1_000_000
_NEXT = "Choose another checkpoint, or export this one again with a scheduler of SDXL's."


def validated_config(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trustworthy part of a scheduler_config.json: a class from `KNOWN_CLASSES`, and plain, bounded values,
    with `SDXL_SCHEDULER_CONFIG` as defaults.

    diffusers allocates memory by these numbers. Raises CheckpointError.
    """
    kind = content.get("_class_name")
    if not isinstance(kind, str) or kind not in KNOWN_CLASSES:
        raise _scheduler_error(_unknown_class_reason(kind))
    stated_values = {key: value for key, value in content.items() if not key.startswith("_")}
    usual = {key: SDXL_SCHEDULER_CONFIG[key] for key in _EDM_KEYS} if is_edm(kind) else SDXL_SCHEDULER_CONFIG
    config = {
        **usual,
        **{key: value for key, value in stated_values.items() if value is not None or key not in SDXL_SCHEDULER_CONFIG},
    }
    if odd := next((key for key, value in config.items() if not _is_valid_value(value)), None):
        raise _scheduler_error(f"Its {display_text(odd, 40)} is no value that a scheduler takes.")
    for key, (least, most) in _COUNT_LIMITS.items():
        value = config.get(key, least)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _scheduler_error(
                f"Its {key} is {display_text(repr(value), 40)}, and must be a whole number from {least} to {most}."
            )
    return {"_class_name": kind, **config}


def _scheduler_error(why: str) -> CheckpointError:
    return CheckpointError("The checkpoint's scheduler cannot be used.", why=why, next_step=_NEXT)


def _unknown_class_reason(kind: object) -> str:
    if kind is None:
        return "Its scheduler_config.json names none."
    return f"Its scheduler_config.json names {display_text(str(kind), 80)!r}, which is no scheduler of SDXL's."


def _is_valid_value(value: object) -> bool:
    """Whether `value` has a type and size that schedulers are configured with; -inf is DPMSolver's own default."""
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return not math.isnan(value) and (abs(value) <= _MAX_NUMBER or value == -math.inf)
    if isinstance(value, str):
        return len(value) <= 80
    if isinstance(value, list):
        return len(value) <= _MAX_LIST_LENGTH and all(
            isinstance(one, int | float) and math.isfinite(one) for one in cast(list[object], value)
        )
    return False
