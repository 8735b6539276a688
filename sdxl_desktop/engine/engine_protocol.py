"""The one contract of every engine: values in, events out, cancel polled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.events import EngineEvent
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.workers.jobs import CancelToken as CancelToken

Emit = Callable[[EngineEvent], None]


class Engine(Protocol):
    """Draws pictures. One run at a time; every call blocks the thread that makes it."""

    def generate(self, request: GenerationRequest, emit: Emit, cancel: CancelToken) -> None:
        """Draw, telling all through `emit`; the last event is `RunFinished`, `RunCancelled` or `RunFailed`.

        Only an error nobody foresaw escapes; whoever owns the thread or process catches it (`RunFailed.unexpected`).
        """

    def warm_up(
        self, checkpoint: Path, execution: Execution, speed: SpeedPreset, emit: Emit, cancel: CancelToken
    ) -> None:
        """Load and compile what a run will need. Emits `Progress` only; a problem is left for the run to tell."""

    def devices(self) -> tuple[Device, ...]:
        """The devices there are."""

    def close(self) -> None:
        """Let everything go. Safe to call twice and from another thread."""
