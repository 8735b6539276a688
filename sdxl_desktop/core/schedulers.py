"""The schedulers a person can choose, by the names the field uses. Building them is the engine's business."""

from __future__ import annotations

from enum import StrEnum

from sdxl_desktop.core.errors import RequestError


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
        return _LABELS[self]

    @property
    def explanation(self) -> str:
        """One plain sentence that tells a person when to pick it."""
        return _EXPLANATIONS[self]

    @classmethod
    def parse(cls, text: str) -> SchedulerName:
        """Read a name however it is written ("DPM++ 2M Karras", "dpmpp_2m_karras"); raises RequestError."""
        wanted = _fold(text)
        for name in cls:
            if wanted in (_fold(name.value), _fold(name.label)):
                return name
        raise RequestError(
            f"There is no scheduler called {text!r}.",
            next_step="Choose one of: " + ", ".join(name.value for name in cls) + ".",
        )


def _fold(text: str) -> str:
    return "".join(c for c in text.lower().replace("++", "pp") if c.isalnum())


_LABELS = {
    SchedulerName.EULER: "Euler",
    SchedulerName.EULER_ANCESTRAL: "Euler a",
    SchedulerName.DDIM: "DDIM",
    SchedulerName.DPMPP_2M: "DPM++ 2M",
    SchedulerName.DPMPP_2M_KARRAS: "DPM++ 2M Karras",
    SchedulerName.DPMPP_SDE: "DPM++ SDE",
    SchedulerName.UNIPC: "UniPC",
    SchedulerName.HEUN: "Heun",
    SchedulerName.LMS: "LMS",
    SchedulerName.PNDM: "PNDM",
    SchedulerName.LCM: "LCM",
}

_EXPLANATIONS = {
    SchedulerName.EULER: "The steady default of SDXL: simple and predictable.",
    SchedulerName.EULER_ANCESTRAL: "Adds fresh noise at every step: softer, more varied, never quite settles.",
    SchedulerName.DDIM: "The classic: deterministic and smooth.",
    SchedulerName.DPMPP_2M: "Good pictures in 20 to 30 steps.",
    SchedulerName.DPMPP_2M_KARRAS: "Like DPM++ 2M with more steps spent on fine detail.",
    SchedulerName.DPMPP_SDE: "Rich detail; looks twice at each step, so a step takes twice as long.",
    SchedulerName.UNIPC: "Very good at few steps, from about 10.",
    SchedulerName.HEUN: "Careful: looks twice at each step, so a step takes twice as long.",
    SchedulerName.LMS: "An older multistep method; smooth at many steps.",
    SchedulerName.PNDM: "An older multistep method; the first Stable Diffusion default.",
    SchedulerName.LCM: "Only for few-step checkpoints (LCM): 2 to 8 steps.",
}
