"""The settings a checkpoint recommends, and restoring the user's own after a few-step checkpoint.

Distilled checkpoints produce garbage with the usual 30 steps and guidance, and others with theirs. Choosing one
therefore changes the settings, and returning to the previous checkpoint restores them.
"""

from __future__ import annotations

from dataclasses import replace

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride
from sdxl_desktop.core.request import Sampling


def recommended_sampling(checkpoint: Checkpoint, sampling: Sampling) -> Sampling:
    """Return `sampling` with the size, steps, guidance and scheduler that `checkpoint` recommends."""
    wanted = checkpoint.recommended
    return replace(
        sampling,
        size=wanted.size,
        steps=wanted.steps,
        guidance_scale=wanted.guidance_scale,
        scheduler=wanted.scheduler,
        timesteps=(),
        noise=NoiseScheduleOverride(),
    )


class FewStepSwitch:
    """Stores the user's own settings while a few-step checkpoint is chosen. `notice` says which settings were applied
    for it; empty if there is nothing to report."""

    def __init__(self) -> None:
        self.notice = ""
        self._checkpoint: Checkpoint | None = None
        self._mine: tuple[str, Sampling] | None = None

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Record a checkpoint that the user did not choose in the list: no settings change."""
        if self._checkpoint is not None and checkpoint.name != self._checkpoint.name:
            self._mine = None
            self.notice = ""
        self._checkpoint = checkpoint

    def switch(self, checkpoint: Checkpoint, sampling: Sampling) -> Sampling:
        """Return the sampling to use after the user chose `checkpoint` while `sampling` was set."""
        left, self._checkpoint = self._checkpoint, checkpoint
        recommended = recommended_sampling(checkpoint, sampling)
        if checkpoint.is_few_step:
            if self._mine is None and left is not None and not left.is_few_step:
                self._mine = left.name, sampling
            self.notice = "" if self._mine is None else _words(recommended)
            return recommended
        mine, self._mine = self._mine, None
        self.notice = ""
        if mine is None or mine[0] != checkpoint.name:
            return recommended
        return replace(_with_settings_of(mine[1], sampling), size=mine[1].size)

    def restore(self, sampling: Sampling) -> Sampling:
        """Return `sampling` with the user's own steps, guidance and scheduler."""
        self.notice = ""
        return sampling if self._mine is None else _with_settings_of(self._mine[1], sampling)


def _words(wanted: Sampling) -> str:
    steps = f"{wanted.steps} steps" if wanted.steps != 1 else "1 step"
    return f"Set for it: {wanted.scheduler.label}, {steps}, guidance {wanted.guidance_scale:g}"


def _with_settings_of(saved: Sampling, sampling: Sampling) -> Sampling:
    """Return `sampling` with the steps, timesteps, guidance and scheduler of `saved`."""
    return replace(
        sampling,
        steps=saved.steps,
        timesteps=saved.timesteps,
        guidance_scale=saved.guidance_scale,
        scheduler=saved.scheduler,
    )
