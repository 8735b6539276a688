"""The settings that come with a checkpoint: those it was made for, and one's own again after a few-step one.

Distilled checkpoints draw nonsense with the usual 30 steps and guidance, and others with theirs, so choosing one must
change the settings, and leaving it for where one came from must bring them back.
"""

from __future__ import annotations

from dataclasses import replace

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride
from sdxl_desktop.core.request import Sampling


def recommended_sampling(checkpoint: Checkpoint, sampling: Sampling) -> Sampling:
    """`sampling` with the size, steps, guidance and scheduler that `checkpoint` was made for."""
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
    """Remembers a person's own settings while a few-step checkpoint is chosen. `notice` says which settings came
    with it; empty where nothing is to be told."""

    def __init__(self) -> None:
        self.notice = ""
        self._checkpoint: Checkpoint | None = None
        self._mine: tuple[str, Sampling] | None = None

    def begin(self, checkpoint: Checkpoint) -> None:
        """This one is in use, and not because the person chose it in the list: nothing changes."""
        if self._checkpoint is not None and checkpoint.name != self._checkpoint.name:
            self._mine = None
            self.notice = ""
        self._checkpoint = checkpoint

    def switch(self, checkpoint: Checkpoint, sampling: Sampling) -> Sampling:
        """What to go on with, now that the person chose `checkpoint` while `sampling` was set."""
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

    def keep(self, sampling: Sampling) -> Sampling:
        """`sampling` with the person's own steps, guidance and scheduler."""
        self.notice = ""
        return sampling if self._mine is None else _with_settings_of(self._mine[1], sampling)


def _words(wanted: Sampling) -> str:
    steps = f"{wanted.steps} steps" if wanted.steps != 1 else "1 step"
    return f"Set for it: {wanted.scheduler.label}, {steps}, guidance {wanted.guidance_scale:g}"


def _with_settings_of(saved: Sampling, sampling: Sampling) -> Sampling:
    """`sampling` with the steps, timesteps, guidance and scheduler of `mine`."""
    return replace(
        sampling,
        steps=saved.steps,
        timesteps=saved.timesteps,
        guidance_scale=saved.guidance_scale,
        scheduler=saved.scheduler,
    )
