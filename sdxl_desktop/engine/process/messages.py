"""What crosses the pipe between the application and its engine process: frames of pickle, each with a head.

Both ends are this program, on one machine, over a pipe nobody else can open, so pickle is safe here. They work in
different folders, so relative paths are made absolute on the way.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.events import Event
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import Speed

_HEAD = struct.Struct("<4sQ")
_MARK = b"sdxl"
_LONGEST = 1 << 36
"""Bytes; a run of many large pictures with all of their latents takes some gigabytes."""
_PIECE = 1 << 20
UNREADABLE = 76
"""Exit code of an engine process that could not read what it was told."""


class UnreadableError(Exception):
    """What came over the pipe is no message, or there is no memory for it; nothing after it can be read either."""


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
class Acknowledged:
    """The wish to cancel `run` was heard, by a thread that works beside the one that draws."""

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
Answer = Told | Done | DeviceList | Acknowledged


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Path) and not value.is_absolute():
            return value.absolute().__reduce__()
        return NotImplemented


def pack(message: Order | Answer) -> bytes | memoryview:
    """The message as a frame. Raises MemoryError."""
    frame = io.BytesIO()
    frame.write(_HEAD.pack(_MARK, 0))
    _Pickler(frame, protocol=pickle.HIGHEST_PROTOCOL).dump(message)
    length = frame.tell() - _HEAD.size
    frame.seek(0)
    frame.write(_HEAD.pack(_MARK, length))
    return frame.getbuffer()


def write(stream: BinaryIO, message: Order | Answer) -> None:
    """Send one message whole. Raises OSError when the other end is gone, MemoryError before anything was sent."""
    send(stream, pack(message))


def send(stream: BinaryIO, frame: bytes | memoryview) -> None:
    """Send what `pack` made. Raises OSError when the other end is gone."""
    stream.write(frame)
    stream.flush()


def read(stream: BinaryIO, expected: Any = object, arriving: Callable[[bool], None] = lambda begun: None) -> Any:
    """The next message, one of the types `expected`. Raises EOFError when the other end is gone and UnreadableError.

    `arriving` is called with True for each piece of it that has come, and with False when it is whole.
    """
    try:
        mark, length = _HEAD.unpack(_exactly(stream, _HEAD.size, lambda begun: None))
        if mark != _MARK or length > _LONGEST:
            raise UnreadableError("It does not begin as a message does.")
        message = pickle.loads(_exactly(stream, length, arriving))
    except (EOFError, OSError, UnreadableError):
        raise
    except MemoryError as problem:
        raise UnreadableError("There was not enough memory for it.") from problem
    except Exception as problem:  # a pickle that is damaged can raise anything
        raise UnreadableError(f"It is damaged ({type(problem).__name__}).") from problem
    finally:
        arriving(False)
    if not isinstance(message, expected):
        raise UnreadableError(f"It is a {type(message).__name__}, which nobody expects.")
    return message


def _exactly(stream: BinaryIO, count: int, arriving: Callable[[bool], None]) -> bytearray:
    """Taken in pieces, so that a length that is not true takes no memory."""
    data = bytearray()
    while len(data) < count:
        arriving(True)
        piece = stream.read(min(count - len(data), _PIECE))
        if not piece:
            raise EOFError
        data += piece
    return data
