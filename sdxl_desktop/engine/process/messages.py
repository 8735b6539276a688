"""Commands to the engine process and its replies, sent with `workers.protocol`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.events import EngineEvent
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import SpeedPreset


@dataclass(frozen=True, slots=True)
class GenerateCommand:
    """Generate pictures, or continue where the run was `paused`; answered by `RunEvent`s, the last of which has a final
    event."""

    run: int
    request: GenerationRequest
    paused: PausedRun | None = None


@dataclass(frozen=True, slots=True)
class WarmUpCommand:
    """Load and compile in advance; answered by a `RunEvent` for each progress and one `RunDone`."""

    run: int
    checkpoint: Path
    execution: Execution
    speed: SpeedPreset


@dataclass(frozen=True, slots=True)
class CancelCommand:
    """Cancel `run`; ignored if it has ended."""

    run: int


@dataclass(frozen=True, slots=True)
class PauseCommand:
    """Pause `run` after its current step; ignored if it has ended."""

    run: int


@dataclass(frozen=True, slots=True)
class ListDevicesCommand:
    """List the devices; answered by one `DeviceListReply`."""

    run: int


@dataclass(frozen=True, slots=True)
class CancelAcknowledged:
    """The command to cancel `run` was received, by a thread other than the one that generates."""

    run: int


@dataclass(frozen=True, slots=True)
class RunEvent:
    """An event of `run`."""

    run: int
    event: EngineEvent


@dataclass(frozen=True, slots=True)
class RunDone:
    """`run`, which has no final event, has ended."""

    run: int


@dataclass(frozen=True, slots=True)
class DeviceListReply:
    """The available devices."""

    run: int
    devices: tuple[Device, ...]


EngineCommand = GenerateCommand | WarmUpCommand | CancelCommand | PauseCommand | ListDevicesCommand
EngineReply = RunEvent | RunDone | DeviceListReply | CancelAcknowledged
