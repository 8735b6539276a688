"""Records the predictions of a run, and replays them instead of calling the UNet to restore its state at any step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.latents import Floats, ResumePoint


class PredictionReplay:
    """Replays predictions up to the step that a run resumes from, and records later ones.

    Schedulers keep a history and draw noise. Replaying the UNet's predictions, instead of storing latents, restores
    both exactly for every scheduler.
    """

    def __init__(self, start: ResumePoint | None, *, keep: bool) -> None:
        self._recorded = None if start is None or start.step is None else start.latents.predictions
        self._until = 0 if start is None or start.step is None else start.step
        self._keep = keep
        self._calls = 0
        self._predictions: list[Floats] = []

    def replays(self, step: int) -> bool:
        """Whether there are recorded predictions for `step`, counted from 1."""
        return self._recorded is not None and step <= self._until

    def predict(self, step: int, run_unet: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, bool]:
        """Return (prediction float32 [1, C, h, w] of the next UNet call, whether it was replayed). The call belongs to
        `step`, counted from 1."""
        replayed = self.replays(step)
        prediction = torch.from_numpy(self._next_recorded()) if replayed else run_unet()
        self._calls += 1
        if self._keep:
            self._predictions.append(prediction[0].numpy().astype(np.float32))
        return prediction, replayed

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
    def predictions(self) -> Floats | None:
        """The predictions float32 [calls, C, h, w]; None if not recorded."""
        return np.stack(self._predictions) if self._predictions else None
