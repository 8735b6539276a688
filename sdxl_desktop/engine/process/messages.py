"""What crosses the pipe between the application and its engine process: pickled frames, a length before each.

Both ends are this program, on one machine, over a pipe nobody else can open, so pickle is safe here.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.events import Event
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import Speed

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Generate:
    """Draw; answered by `Told` events, the last of them final."""

    run: int
    request: GenerationRequest


@dataclass(frozen=True, slots=True)
class Warm:
    """Load and compile ahead; answered by `Told` progress and one `Done`."""

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
class Told:
    """An event of `run`."""

    run: int
    event: Event


@dataclass(frozen=True, slots=True)
class Done:
    """`run`, which has no final event of its own, is over."""

    run: int


@dataclass(frozen=True, slots=True)
class DeviceList:
    """The devices there are."""

    run: int
    devices: tuple[Device, ...]


Order = Generate | Warm | Cancel | ListDevices
Answer = Told | Done | DeviceList


def write(stream: BinaryIO, message: Order | Answer) -> None:
    """Send one message whole. Raises OSError when the other end is gone."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def read(stream: BinaryIO) -> Any:
    """The next message; raises EOFError when the other end is gone."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return pickle.loads(_exactly(stream, length))


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data
