"""The one table of schedulers: names that people use, diffusers' classes behind them, and what their configs may say.

Nothing else decides which class is loaded: a checkpoint's scheduler_config.json is looked up here, never followed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple, cast

from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.core.foreign_text import shown


class SchedulerName(StrEnum):
    """A scheduler; the value is what the command line takes and what metadata records."""

    EULER = "euler"
    EULER_ANCESTRAL = "euler-a"
    DDIM = "ddim"
    DPMPP_2M = "dpmpp-2m"
    DPMPP_2M_KARRAS = "dpmpp-2m-karras"
    DPMPP_SDE = "dpmpp-sde"
    UNIPC = "unipc"
    HEUN = "heun"
    LMS = "lms"
    PNDM = "pndm"
    LCM = "lcm"

    @property
    def label(self) -> str:
        """The name as people write it."""
        return _TABLE[self].label

    @property
    def class_name(self) -> str:
        """The class in diffusers."""
        return _TABLE[self].class_name

    @property
    def options(self) -> Mapping[str, Any]:
        """What the class is made with, beside a checkpoint's noise schedule."""
        return _TABLE[self].options

    @property
    def explanation(self) -> str:
        """One plain sentence that tells a person when to pick it."""
        return _TABLE[self].explanation

    @classmethod
    def parse(cls, text: str) -> SchedulerName:
        """Read a name however it is written ("DPM++ 2M Karras", "dpmpp_2m_karras"); raises RequestError."""
        wanted = _fold(text)
        for name in cls:
            if wanted in (_fold(name.value), _fold(name.label)):
                return name
        raise RequestError(
            f"There is no scheduler called {shown(text)!r}.",
            next_step="Choose one of: " + ", ".join(name.value for name in cls) + ".",
        )


def _fold(text: str) -> str:
    return "".join(c for c in text.lower().replace("++", "pp") if c.isalnum())


class _Row(NamedTuple):
    label: str
    class_name: str
    options: Mapping[str, Any]
    explanation: str


_TWO_M = {"algorithm_type": "dpmsolver++"}
_KARRAS = {"use_karras_sigmas": True}

# fmt: off
# ruff: noqa: E501
_TABLE: dict[SchedulerName, _Row] = {
    SchedulerName.EULER: _Row("Euler", "EulerDiscreteScheduler", {}, "The steady default of SDXL: simple and predictable."),
    SchedulerName.EULER_ANCESTRAL: _Row("Euler a", "EulerAncestralDiscreteScheduler", {}, "Adds fresh noise at every step: softer, more varied, never quite settles."),
    SchedulerName.DDIM: _Row("DDIM", "DDIMScheduler", {}, "The classic: deterministic and smooth."),
    SchedulerName.DPMPP_2M: _Row("DPM++ 2M", "DPMSolverMultistepScheduler", _TWO_M, "Good pictures in 20 to 30 steps."),
    SchedulerName.DPMPP_2M_KARRAS: _Row("DPM++ 2M Karras", "DPMSolverMultistepScheduler", _TWO_M | _KARRAS, "Like DPM++ 2M with more steps spent on fine detail."),
    SchedulerName.DPMPP_SDE: _Row("DPM++ SDE", "DPMSolverSDEScheduler", {}, "Rich detail; looks twice at each step, so a step takes twice as long."),
    SchedulerName.UNIPC: _Row("UniPC", "UniPCMultistepScheduler", {}, "Very good at few steps, from about 10."),
    SchedulerName.HEUN: _Row("Heun", "HeunDiscreteScheduler", {}, "Careful: looks twice at each step, so a step takes twice as long."),
    SchedulerName.LMS: _Row("LMS", "LMSDiscreteScheduler", {}, "An older multistep method; smooth at many steps."),
    SchedulerName.PNDM: _Row("PNDM", "PNDMScheduler", {"skip_prk_steps": True}, "An older multistep method; the first Stable Diffusion default."),
    SchedulerName.LCM: _Row("LCM", "LCMScheduler", {}, "Only for few-step checkpoints (LCM): 2 to 8 steps."),
}
# fmt: on


OTHER_CLASSES = frozenset({
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "SASolverScheduler",
    "TCDScheduler",
})  # fmt: skip
"""diffusers' other schedulers on SDXL's noise schedule: a checkpoint made for one of them can be drawn with one of the
table, which is then told."""

CLASSES = OTHER_CLASSES | {name.class_name for name in SchedulerName}

_DECIDING: Mapping[str, Any] = {
    "algorithm_type": "dpmsolver++",
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "use_flow_sigmas": False,
}
"""What in a config makes another scheduler of the same class, and what is meant where it says nothing."""

SIGMAS = tuple(key for key in _DECIDING if key.endswith("_sigmas"))
"""The spacings of noise levels; they belong to a name in the table, not to the noise schedule."""


def scheduler_of(config: Mapping[str, Any]) -> SchedulerName | None:
    """The one in the table that a checkpoint's `config`, a checked one, asks for; None where the table lacks it."""
    for name in SchedulerName:
        told = {key: config.get(key) or usual for key, usual in _DECIDING.items()}
        if name.class_name == config["_class_name"] and told == {**_DECIDING, **_deciding(name.options)}:
            return name
    return None


def _deciding(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key in _DECIDING}


def missing(config: Mapping[str, Any]) -> str:
    """The scheduler that a checked `config` asks for, in diffusers' words, where the table lacks it; else ""."""
    return "" if scheduler_of(config) is not None else _described(config)


def _described(config: Mapping[str, Any]) -> str:
    """Its class, and what makes it a variant."""
    variants = [
        key if value is True else shown(str(value), 40)
        for key in _DECIDING
        if (value := config.get(key)) and value != _DECIDING[key]
    ]
    kind = str(config["_class_name"])
    return f"{kind} ({', '.join(variants)})" if variants else kind


SDXL: Mapping[str, Any] = {
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
"""What SDXL's own scheduler_config.json says, and so what is meant by one that leaves it out. diffusers would fill in what
each class was first made for: a linear schedule, and with DDIM latents that are clipped to -1 and 1."""

_COUNTS = {"num_train_timesteps": (1, 10_000), "solver_order": (1, 8), "original_inference_steps": (1, 10_000)}
_LONGEST_LIST = 10_000
_LARGEST = 1_000_000
_NEXT = "Choose another checkpoint, or export this one again with a scheduler of SDXL's."


def checked_config(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a scheduler_config.json says that may be believed: a class from `CLASSES`, and plain, bounded values, which are
    `SDXL`'s where it says nothing.

    diffusers allocates by these numbers. Raises CheckpointError.
    """
    kind = content.get("_class_name")
    if not isinstance(kind, str) or kind not in CLASSES:
        raise _unusable(_why_not(kind))
    told = {key: value for key, value in content.items() if not key.startswith("_")}
    config = {**SDXL, **{key: value for key, value in told.items() if value is not None or key not in SDXL}}
    if odd := next((key for key, value in config.items() if not _is_plain(value)), None):
        raise _unusable(f"Its {shown(odd, 40)} is no value that a scheduler takes.")
    for key, (least, most) in _COUNTS.items():
        value = config.get(key, least)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _unusable(
                f"Its {key} is {shown(repr(value), 40)}, and must be a whole number from {least} to {most}."
            )
    return {"_class_name": kind, **config}


def _unusable(why: str) -> CheckpointError:
    return CheckpointError("The checkpoint's scheduler cannot be used.", why=why, next_step=_NEXT)


def _why_not(kind: object) -> str:
    if kind is None:
        return "Its scheduler_config.json names none."
    named = shown(str(kind), 80)
    if named.startswith("EDM"):
        return f"It was made for {named}, whose noise is scaled in another way (EDM), which is not drawn here."
    return f"Its scheduler_config.json names {named!r}, which is no scheduler of SDXL's."


def _is_plain(value: object) -> bool:
    """Whether `value` is of a kind and size that schedulers are configured with; -inf is DPMSolver's own default."""
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return not math.isnan(value) and (abs(value) <= _LARGEST or value == -math.inf)
    if isinstance(value, str):
        return len(value) <= 80
    if isinstance(value, list):
        return len(value) <= _LONGEST_LIST and all(
            isinstance(one, int | float) and math.isfinite(one) for one in cast(list[object], value)
        )
    return False
