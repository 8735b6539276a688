"""How long drawing takes here, learnt from what was drawn: what the next run may be expected to take."""

from __future__ import annotations

from pathlib import Path

from sdxl_desktop.core.events import Finished
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution, GenerationRequest, Sampling
from sdxl_desktop.core.speed import Speed

_Key = tuple[Path, str, str, bool, Speed]


class Paces:
    """Remembers the last run of each checkpoint on each device; other sizes are taken to cost what their area says."""

    def __init__(self) -> None:
        self._known: dict[_Key, tuple[Size, float, float]] = {}

    def learn(self, request: GenerationRequest, finished: Finished) -> None:
        """Take over what a run took. Runs with a refiner or from kept latents tell nothing of others."""
        pictures = len(finished.pictures)
        if not pictures or request.refine is not None or request.start is not None:
            return
        steps = pictures * _steps(request.sampling, 1.0 if request.edit is None else request.edit.strength)
        timings = finished.timings
        key = _key(request.checkpoint, request.execution, request.sampling)
        beside = (timings.encode + timings.decode) / pictures
        self._known[key] = request.sampling.size, timings.denoise / steps, beside

    def expected(
        self, checkpoint: Path, execution: Execution, sampling: Sampling, size: Size, strength: float = 1.0
    ) -> float | None:
        """Seconds for `sampling.count` pictures drawn at `size`; None before anything like it was drawn."""
        known = self._known.get(_key(checkpoint, execution, sampling))
        if known is None:
            return None
        measured, step, beside = known
        scale = (size.width * size.height) / (measured.width * measured.height)
        return sampling.count * scale * (step * _steps(sampling, strength) + beside)


def _steps(sampling: Sampling, strength: float) -> float:
    return max(1.0, sampling.steps * strength)


def _key(checkpoint: Path, execution: Execution, sampling: Sampling) -> _Key:
    """A step with guidance is two looks of the UNet."""
    return checkpoint, execution.device, execution.precision, sampling.guidance_scale > 1, sampling.speed
