"""Refining with a refiner, in either of SDXL's two ways (Podell et al., arXiv 2307.01952, §2.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.number_parsing import format_number
from sdxl_desktop.core.scalars import REFINER, NumberRow, Option, check_limits, scalar

MAX_REFINER_STEPS = 1000


class RefinerMode(StrEnum):
    """ENSEMBLE: the refiner takes over the base's noisy latents. IMG2IMG: image-to-image on the finished picture."""

    ENSEMBLE = "ensemble"
    IMG2IMG = "img2img"

    @property
    def label(self) -> str:
        return {"ensemble": "Take over", "img2img": "Retouch"}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refining:
    """How a refiner is used: `handoff` is the share of the noise schedule that the base denoises (ENSEMBLE); `strength`
    in (0, 1] is the share that the refiner repeats (IMG2IMG). `steps` are those of the refiner's whole schedule; None
    means the base's."""

    way: RefinerMode = scalar(
        RefinerMode.ENSEMBLE,
        option=Option(
            "--refine",
            "ensemble|img2img",
            "Let it take over the base's noisy latents, or retouch the finished picture. Default: ensemble.",
            group=REFINER,
        ),
    )
    handoff: float = scalar(
        0.8,
        row=NumberRow(
            "Hand-off",
            "Hand-off",
            "The part of the noise that the first checkpoint takes away before the refiner takes over; 80 % is usual.",
            0.99,
            step=0.01,
            decimals=2,
            low=0.01,
            high=0.99,
        ),
        option=Option("--handoff", "F", "Where it takes over, 0 to 1. Default: 0.8.", "real", REFINER),
    )
    steps: int | None = scalar(
        None,
        "The number of refiner steps",
        (1, MAX_REFINER_STEPS),
        option=Option("--refiner-steps", "N", "Steps of its whole schedule. Default: the base's.", "whole", REFINER),
    )
    strength: float = scalar(
        0.3,
        row=NumberRow(
            "Strength",
            "Refiner strength",
            "How much the refiner redraws: 0.3 adds detail, 1 begins anew.",
            1,
            step=0.01,
            decimals=2,
            low=0.01,
            high=1,
        ),
        option=Option("--refiner-strength", "S", "How much it retouches, above 0 to 1. Default: 0.3.", "real", REFINER),
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.handoff < 1.0:
            raise RequestError(
                f"The hand-off to the refiner is {format_number(self.handoff)}.",
                next_step="It must be more than 0 and less than 1, for instance 0.8.",
            )
        if not 0.0 < self.strength <= 1.0:
            raise RequestError(
                f"The refiner's strength is {format_number(self.strength)}.",
                next_step="It must be more than 0 and at most 1, for instance 0.3.",
            )
        check_limits(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinerParameters(Refining):
    """A refiner's folder and its settings."""

    checkpoint: Path
