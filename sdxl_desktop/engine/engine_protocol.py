"""The `Engine` protocol: it takes requests, emits events and polls for cancellation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.events import EngineEvent
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.workers.jobs import CancelToken as CancelToken

Emit = Callable[[EngineEvent], None]


@dataclass(frozen=True, slots=True)
class Pausing:
    """How a run can be paused: `requested` is set when the user pauses it. `paused` is where it continues, if it was
    paused before."""

    requested: CancelToken
    paused: PausedRun | None = None


class Engine(Protocol):
    """Generates pictures. One run at a time; every call blocks the calling thread."""

    def generate(
        self, request: GenerationRequest, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None
    ) -> None:
        """Generate pictures, reporting through `emit`; the last event is `RunFinished`, `RunPaused`, `RunCancelled` or
        `RunFailed`. Without `pausing` the run cannot be paused.

        Only unexpected errors are raised; the owner of the thread or process catches them (`RunFailed.unexpected`).
        """

    def warm_up(
        self, checkpoint: Path, execution: Execution, speed: SpeedPreset, emit: Emit, cancel: CancelToken
    ) -> None:
        """Load and compile what a run will need. Emits `Progress` only; errors are left for the run to report."""

    def devices(self) -> tuple[Device, ...]:
        """Return the available devices."""

    def close(self) -> None:
        """Release all resources. Safe to call twice and from another thread."""
