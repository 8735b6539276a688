"""The latents of a finished picture, from which it can be decoded again, refined, or resumed at any step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.schedulers import SchedulerName

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedLatents:
    """`final`: scaled latents, float32 [C, h, w], ready for decoding.

    `predictions`: the UNet output of every call after guidance, float32 [calls, C, h, w]; replaying them through the
    scheduler restores the state at any step exactly, solver history and noise included. None if only the final latents
    were kept. `seed`, `steps`, `scheduler`, `timesteps` and `noise` are those of the run; a replay needs the same
    values. `timesteps` and `noise` are None if a file of an earlier release lacks them.
    """

    final: Floats = field(compare=False, repr=False)
    predictions: Floats | None = field(default=None, compare=False, repr=False)
    seed: int
    steps: int
    scheduler: SchedulerName
    timesteps: tuple[int, ...] | None = None
    noise: NoiseScheduleOverride | None = None
    digest: str = ""

    @property
    def nbytes(self) -> int:
        return self.final.nbytes + (0 if self.predictions is None else self.predictions.nbytes)


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Start from saved latents: from the final ones (`step` None: nothing is denoised again) or after `step` steps."""

    latents: SavedLatents
    step: int | None = None

    def __post_init__(self) -> None:
        if self.step is None:
            return
        check_range("The step to go on from", self.step, 0, self.latents.steps)
        if self.latents.predictions is None:
            raise RequestError(
                "These latents cannot be continued from a step.",
                why="Only the end of their run was kept.",
                next_step="Start from the end, or draw the picture again and keep every step.",
            )
