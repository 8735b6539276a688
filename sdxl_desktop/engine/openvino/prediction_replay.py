"""Records the predictions of a run, and replays them instead of calling the UNet to restore its state at any step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.latents import Floats, ResumePoint
from sdxl_desktop.core.paused_run import PausedRun


class ReplayMismatchError(Exception):
    """The replayed predictions of a paused run do not lead to its latents: this version computes something else."""


class PredictionReplay:
    """Replays predictions up to the step that a run resumes from, or the call at which it was paused, and records all.

    Schedulers keep a history and draw noise. Replaying the UNet's predictions, instead of storing latents, restores
    both exactly for every scheduler.
    """

    def __init__(self, start: ResumePoint | None, paused: PausedRun | None = None) -> None:
        """A run that was itself `start`ed from saved latents and then `paused` has all its predictions in `paused`."""
        self._paused = None if paused is None or paused.predictions is None else paused
        self._recorded = None if start is None or start.step is None else start.latents.predictions
        self._until = 0 if start is None or start.step is None else start.step
        if self._paused is not None:
            self._recorded = self._paused.predictions
        self._calls = 0
        self._predictions: list[Floats] = []

    def replays(self, step: int, ahead: int = 0) -> bool:
        """Whether there is a recorded prediction for the call that comes `ahead` calls after the next one, and belongs
        to `step`, counted from 1."""
        if self._recorded is None:
            return False
        return self._calls + ahead < len(self._recorded) if self._paused is not None else step <= self._until

    def predict(self, step: int, run_unet: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, bool]:
        """Return (prediction float32 [1, C, h, w] of the next UNet call, whether it was replayed). The call belongs to
        `step`, counted from 1."""
        replayed = self.replays(step)
        prediction = torch.from_numpy(self._next_recorded()) if replayed else run_unet()
        self._calls += 1
        self._predictions.append(prediction[0].numpy().astype(np.float32))
        return prediction, replayed

    def check_latents(self, latents: torch.Tensor) -> None:
        """After the call in which a paused run's replay ends, raise ReplayMismatchError unless `latents`, float32
        [1, C, h, w], are those it was paused with, bit for bit."""
        paused = self._paused
        if paused is None or self._recorded is None or self._calls != len(self._recorded):
            return
        if paused.latents is None or not np.array_equal(latents[0].numpy(), paused.latents):
            raise ReplayMismatchError

    def _next_recorded(self) -> Floats:
        assert self._recorded is not None
        if self._calls >= len(self._recorded):
            raise RequestError(
                f"The kept latents end before step {self._until}.",
                why=f"They hold {len(self._recorded)} predictions of the UNet.",
                next_step="Go on from an earlier step.",
            )
        return np.array(self._recorded[self._calls : self._calls + 1])

    @property
    def predictions(self) -> Floats:
        """The predictions of all calls so far, float32 [calls, C, h, w]; at least one."""
        return np.stack(self._predictions)
