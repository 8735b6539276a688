"""What the application asks its engine process for, and what that answers, as messages of `workers.protocol`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.events import EngineEvent
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import SpeedPreset


@dataclass(frozen=True, slots=True)
class GenerateCommand:
    """Draw; answered by `RunEvent`s, the last of them final."""

    run: int
    request: GenerationRequest


@dataclass(frozen=True, slots=True)
class WarmUpCommand:
    """Load and compile ahead; answered by a `RunEvent` for each progress and one `RunDone`."""

    run: int
    checkpoint: Path
    execution: Execution
    speed: SpeedPreset


@dataclass(frozen=True, slots=True)
class CancelCommand:
    """Stop `run`; ignored when it is over."""

    run: int


@dataclass(frozen=True, slots=True)
class ListDevicesCommand:
    """Name the devices; answered by one `DeviceListReply`."""

    run: int


@dataclass(frozen=True, slots=True)
class CancelAcknowledged:
    """The wish to cancel `run` was heard, by a thread that works beside the one that draws."""

    run: int


@dataclass(frozen=True, slots=True)
class RunEvent:
    """An event of `run`."""

    run: int
    event: EngineEvent


@dataclass(frozen=True, slots=True)
class RunDone:
    """`run`, which has no final event of its own, is over."""

    run: int


@dataclass(frozen=True, slots=True)
class DeviceListReply:
    """The devices there are."""

    run: int
    devices: tuple[Device, ...]


EngineCommand = GenerateCommand | WarmUpCommand | CancelCommand | ListDevicesCommand
EngineReply = RunEvent | RunDone | DeviceListReply | CancelAcknowledged
