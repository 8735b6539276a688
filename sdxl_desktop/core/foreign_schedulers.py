"""What other programs call the schedulers of `core.schedulers`, for records that they wrote or will read.

AUTOMATIC1111, ComfyUI and others name a sampler and a schedule of noise levels apart; the rest one name for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sdxl_desktop.core.schedulers import SchedulerName

_EULER, _EULER_A, _DDIM, _UNIPC = (
    SchedulerName.EULER,
    SchedulerName.EULER_ANCESTRAL,
    SchedulerName.DDIM,
    SchedulerName.UNIPC,
)
_2M, _2M_K = SchedulerName.DPMPP_2M, SchedulerName.DPMPP_2M_KARRAS
_2M_SDE, _2M_SDE_K = SchedulerName.DPMPP_2M_SDE, SchedulerName.DPMPP_2M_SDE_KARRAS
_SDE, _SDE_K = SchedulerName.DPMPP_SDE, SchedulerName.DPMPP_SDE_KARRAS

_A1111: Mapping[SchedulerName, tuple[str, str]] = {
    _EULER: ("Euler", "Automatic"),
    SchedulerName.EULER_KARRAS: ("Euler", "Karras"),
    SchedulerName.EULER_EXPONENTIAL: ("Euler", "Exponential"),
    SchedulerName.EULER_BETA: ("Euler", "Beta"),
    _EULER_A: ("Euler a", "Automatic"),
    _DDIM: ("DDIM", "Automatic"),
    _2M: ("DPM++ 2M", "Uniform"),
    _2M_K: ("DPM++ 2M", "Karras"),
    SchedulerName.DPMPP_2M_EXPONENTIAL: ("DPM++ 2M", "Exponential"),
    SchedulerName.DPMPP_2M_BETA: ("DPM++ 2M", "Beta"),
    _2M_SDE: ("DPM++ 2M SDE", "Uniform"),
    _2M_SDE_K: ("DPM++ 2M SDE", "Karras"),
    SchedulerName.DPMPP_3M_SDE: ("DPM++ 3M SDE", "Uniform"),
    SchedulerName.DPMPP_3M_SDE_KARRAS: ("DPM++ 3M SDE", "Karras"),
    _SDE: ("DPM++ SDE", "Uniform"),
    _SDE_K: ("DPM++ SDE", "Karras"),
    SchedulerName.DPM2: ("DPM2", "Uniform"),
    SchedulerName.DPM2_KARRAS: ("DPM2", "Karras"),
    SchedulerName.DPM2_ANCESTRAL: ("DPM2 a", "Uniform"),
    SchedulerName.DPM2_ANCESTRAL_KARRAS: ("DPM2 a", "Karras"),
    _UNIPC: ("UniPC", "Automatic"),
    SchedulerName.HEUN: ("Heun", "Automatic"),
    SchedulerName.LMS: ("LMS", "Automatic"),
    SchedulerName.LMS_KARRAS: ("LMS", "Karras"),
    SchedulerName.PNDM: ("PLMS", "Automatic"),
    SchedulerName.LCM: ("LCM", "Automatic"),
    SchedulerName.TCD: ("TCD", "Automatic"),
    SchedulerName.DDPM: ("DDPM", "Automatic"),
    SchedulerName.DPMPP_2S: ("DPM++ 2S", "Uniform"),
    SchedulerName.DPMPP_2S_KARRAS: ("DPM++ 2S", "Karras"),
    SchedulerName.DEIS: ("DEIS", "Automatic"),
    SchedulerName.SA_SOLVER: ("SA Solver", "Automatic"),
    SchedulerName.EDM_EULER: ("Euler EDM", "Automatic"),
    SchedulerName.EDM_DPMPP_2M: ("DPM++ 2M EDM", "Automatic"),
    SchedulerName.EDM_DPMPP_2M_SDE: ("DPM++ 2M SDE EDM", "Automatic"),
}
"""Sampler and schedule type of AUTOMATIC1111 from 1.9 on, as Forge and Civitai have them. TCD and those after it are
not among its own; Forge, SD.Next, ComfyUI or InvokeAI have samplers of these names."""

_AUTOMATIC: Mapping[str, str] = {
    **dict.fromkeys(("dpmpp2m", "dpmppsde", "dpm2", "dpm2a"), "karras"),
    **dict.fromkeys(("dpmpp2msde", "dpmpp3msde"), "exponential"),
}
"""What AUTOMATIC1111's schedule type "Automatic" means for a sampler; for all others its own spacing."""

_SAMPLERS: Mapping[str, SchedulerName] = {
    "euler": _EULER,
    "eulera": _EULER_A,
    "eulerancestral": _EULER_A,
    "keuler": _EULER,
    "keulera": _EULER_A,
    "keulerancestral": _EULER_A,
    "ddim": _DDIM,
    "ddimv3": _DDIM,
    "dpmpp2m": _2M,
    "kdpmpp2m": _2M,
    "dpmpp2msde": _2M_SDE,
    "kdpmpp2msde": _2M_SDE,
    "dpmpp3msde": SchedulerName.DPMPP_3M_SDE,
    "dpmppsde": _SDE,
    "kdpmppsde": _SDE,
    "dpmsde": _SDE,
    "dpm2": SchedulerName.DPM2,
    "kdpm2": SchedulerName.DPM2,
    "dpm2a": SchedulerName.DPM2_ANCESTRAL,
    "dpm2ancestral": SchedulerName.DPM2_ANCESTRAL,
    "kdpm2a": SchedulerName.DPM2_ANCESTRAL,
    "kdpm2ancestral": SchedulerName.DPM2_ANCESTRAL,
    "unipc": _UNIPC,
    "unipcbh2": _UNIPC,
    "heun": SchedulerName.HEUN,
    "kheun": SchedulerName.HEUN,
    "lms": SchedulerName.LMS,
    "klms": SchedulerName.LMS,
    "pndm": SchedulerName.PNDM,
    "plms": SchedulerName.PNDM,
    "lcm": SchedulerName.LCM,
    "tcd": SchedulerName.TCD,
    "ddpm": SchedulerName.DDPM,
    "dpmpp2s": SchedulerName.DPMPP_2S,
    "kdpmpp2s": SchedulerName.DPMPP_2S,
    "deis": SchedulerName.DEIS,
    "sasolver": SchedulerName.SA_SOLVER,
    "eulersmea": _EULER,
    "euleredm": SchedulerName.EDM_EULER,
    "dpmpp2medm": SchedulerName.EDM_DPMPP_2M,
    "dpmpp2msdeedm": SchedulerName.EDM_DPMPP_2M_SDE,
}
"""Samplers by folded name (`_fold`), whichever program names them so."""
_SUFFIXES = ("gpu",)
"""Ends of ComfyUI's and Fooocus' names that say where noise is made."""
_SPACINGS = ("karras", "exponential", "beta")
_OTHER_SPACINGS = ("trailing", "ays", "substep")
"""Ends of Draw Things' names."""
_PLAIN = frozenset({"", "uniform", "normal", "native", "default", "discrete", "simple", "ddimuniform"})
"""Schedules that are the sampler's own spacing, or differ from it by less than a step."""
_SUFFIX_K = "_k"
"""InvokeAI's end of a name with Karras noise levels."""


class FoundScheduler(NamedTuple):
    """`name` is None if there is none like it; `lost` is what has no counterpart, "" if nothing."""

    name: SchedulerName | None
    lost: str = ""


def a1111_names(name: SchedulerName) -> tuple[str, str]:
    """Return AUTOMATIC1111's sampler and schedule type for `name`; the label of one that the table lacks."""
    return _A1111.get(name, (name.label, "Automatic"))


def find_scheduler(sampler: str, schedule: str = "") -> FoundScheduler:
    """Return the scheduler that other programs call `sampler`, with noise levels by `schedule`, in any spelling.

    A schedule may also be the end of the sampler's name ("DPM++ 2M Karras", "dpmpp_2m_k"). If there is no schedule of
    that name for the sampler, its own noise levels are used, and reported as lost.
    """
    sampler_key, schedule_key = _split(sampler, _fold(schedule))
    base = _SAMPLERS.get(sampler_key)
    if base is None:
        return FoundScheduler(None, f"the sampler {sampler}")
    if schedule_key == "automatic":
        schedule_key = _AUTOMATIC.get(sampler_key, "")
    if schedule_key in _PLAIN:
        return FoundScheduler(base)
    value = f"{base.value}-{schedule_key}"
    named = next((one for one in SchedulerName if schedule_key in _SPACINGS and one.value == value), None)
    if named is not None:
        return FoundScheduler(named)
    return FoundScheduler(base, f"the noise levels {schedule or schedule_key} of the sampler {sampler}")


def _split(sampler: str, schedule_key: str) -> tuple[str, str]:
    """Return the folded names of sampler and schedule; the latter may be the end of `sampler`."""
    key = _fold(sampler)
    if sampler.endswith(_SUFFIX_K):
        return _fold(sampler.removesuffix(_SUFFIX_K)), schedule_key or "karras"
    for suffix in _SUFFIXES:
        key = key.removesuffix(suffix)
    for spacing in (*_SPACINGS, *_OTHER_SPACINGS):
        if key not in _SAMPLERS and key.endswith(spacing):
            return key.removesuffix(spacing), schedule_key or spacing
    return key, schedule_key


def _fold(name: str) -> str:
    return "".join(c for c in name.lower().replace("++", "pp").replace("+", "p") if c.isalnum())
