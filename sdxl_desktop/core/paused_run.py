"""A run that was paused between two steps, with everything that its continuation needs beside the request."""

from __future__ import annotations

from dataclasses import dataclass, field

from sdxl_desktop.core.latents import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedRun:
    """The state of a paused run: the pictures before `picture` (from 0) are finished, and that one has `step` of its
    `steps`, both 0 if it has not begun.

    `predictions`: the UNet output of each of its calls after guidance, float32 [calls, C, h, w]. Replaying them through
    the scheduler restores multistep history, noise generators and latents exactly, for every scheduler, and tells which
    calls' deep features must be computed again. `latents`, float32 [C, h, w], are those after the last call, to check
    the replay. Both are None if the picture has not begun. `content` identifies the networks that made them.
    """

    picture: int = 0
    step: int = 0
    steps: int = 0
    predictions: Floats | None = field(default=None, compare=False, repr=False)
    latents: Floats | None = field(default=None, compare=False, repr=False)
    content: str = ""

    @property
    def nbytes(self) -> int:
        return sum(one.nbytes for one in (self.predictions, self.latents) if one is not None)
