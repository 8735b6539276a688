"""What the application asks its engine process for, and what that answers, as messages of `workers.protocol`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.events import Event
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import Speed


@dataclass(frozen=True, slots=True)
class Generate:
    """Draw; answered by `RunEvent`s, the last of them final."""

    run: int
    request: GenerationRequest


@dataclass(frozen=True, slots=True)
class Warm:
    """Load and compile ahead; answered by a `RunEvent` for each progress and one `RunDone`."""

    run: int
    checkpoint: Path
    execution: Execution
    speed: Speed


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop `run`; ignored when it is over."""

    run: int


@dataclass(frozen=True, slots=True)
class ListDevices:
    """Name the devices; answered by one `DeviceList`."""

    run: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The wish to cancel `run` was heard, by a thread that works beside the one that draws."""

    run: int


@dataclass(frozen=True, slots=True)
class RunEvent:
    """An event of `run`."""

    run: int
    event: Event


@dataclass(frozen=True, slots=True)
class RunDone:
    """`run`, which has no final event of its own, is over."""

    run: int


@dataclass(frozen=True, slots=True)
class DeviceList:
    """The devices there are."""

    run: int
    devices: tuple[Device, ...]


Order = Generate | Warm | Cancel | ListDevices
Answer = RunEvent | RunDone | DeviceList | Acknowledged
