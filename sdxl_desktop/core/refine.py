"""Finishing with a refiner, in either of SDXL's two ways (Podell et al., arXiv 2307.01952, §2.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.core.checks import within
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.numbers import in_words

MAX_REFINER_STEPS = 1000


class RefineWay(StrEnum):
    """ENSEMBLE: the refiner takes over the base's noisy latents. IMG2IMG: it redraws the finished picture a little."""

    ENSEMBLE = "ensemble"
    IMG2IMG = "img2img"

    @property
    def label(self) -> str:
        return {"ensemble": "Take over", "img2img": "Retouch"}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refine:
    """`handoff` is the share of the noise schedule that the base denoises (ENSEMBLE); `strength` in (0, 1] that which
    the refiner redoes (IMG2IMG). `steps` are those of the refiner's whole schedule; None means the base's."""

    checkpoint: Path
    way: RefineWay = RefineWay.ENSEMBLE
    handoff: float = 0.8
    steps: int | None = None
    strength: float = 0.3

    def __post_init__(self) -> None:
        if not 0.0 < self.handoff < 1.0:
            raise RequestError(
                f"The hand-off to the refiner is {in_words(self.handoff)}.",
                next_step="It must be more than 0 and less than 1, for instance 0.8.",
            )
        if not 0.0 < self.strength <= 1.0:
            raise RequestError(
                f"The refiner's strength is {in_words(self.strength)}.",
                next_step="It must be more than 0 and at most 1, for instance 0.3.",
            )
        if self.steps is not None:
            within("The number of refiner steps", self.steps, 1, MAX_REFINER_STEPS)
