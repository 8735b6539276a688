"""The message format between the application and a worker process: a header with the length, then a pickle.

Both ends are this program, on one machine, over a pipe that no other program can open, so pickle is safe here. They
have different working folders, so relative paths are made absolute when sent.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

_HEADER = struct.Struct("<4sQ")
_MAGIC = b"sdxl"
_MAX_LENGTH = 1 << 36
"""Bytes; a run of many large pictures with all their latents takes some gigabytes."""
_CHUNK = 1 << 20
EXIT_UNREADABLE = 76
"""Exit code of a worker that could not read a message."""


class UnreadableMessageError(Exception):
    """Data from the pipe is not a valid message or does not fit in memory; nothing after it can be read either."""


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Path) and not value.is_absolute():
            return value.absolute().__reduce__()
        return NotImplemented


def pack(message: object) -> bytes | memoryview:
    """Return the message as a frame. Raises MemoryError, and pickle.PicklingError for unsupported values."""
    frame = io.BytesIO()
    frame.write(_HEADER.pack(_MAGIC, 0))
    _Pickler(frame, protocol=pickle.HIGHEST_PROTOCOL).dump(message)
    length = frame.tell() - _HEADER.size
    frame.seek(0)
    frame.write(_HEADER.pack(_MAGIC, length))
    return frame.getbuffer()


def write(stream: IO[bytes], message: object) -> None:
    """Send one message. Raises OSError if the other end is closed, and what `pack` raises before anything is sent."""
    write_frame(stream, pack(message))


def write_frame(stream: IO[bytes], frame: bytes | memoryview) -> None:
    """Send a frame made by `pack`. Raises OSError if the other end is closed."""
    stream.write(frame)
    stream.flush()


def read(stream: IO[bytes], expected: Any = object, arriving: Callable[[bool], None] = lambda begun: None) -> Any:
    """Read the next message of the types `expected`. Raises EOFError if the other end is closed, and
    UnreadableMessageError.

    `arriving` is called with True before each piece is read and with False when the message is complete.
    """
    try:
        magic, length = _HEADER.unpack(_read_exactly(stream, _HEADER.size, lambda begun: None))
        if magic != _MAGIC or length > _MAX_LENGTH:
            raise UnreadableMessageError("It does not begin as a message does.")
        message = _unpickled(_read_exactly(stream, length, arriving))
    except MemoryError as problem:
        raise UnreadableMessageError("There was not enough memory for it.") from problem
    finally:
        arriving(False)
    if not isinstance(message, expected):
        raise UnreadableMessageError(f"It is a {type(message).__name__}, which is not expected.")
    return message


def _unpickled(data: bytearray) -> Any:
    try:
        return pickle.loads(data)
    except MemoryError:
        raise
    except Exception as problem:  # a damaged pickle can raise anything, even EOFError and OSError
        raise UnreadableMessageError(f"It is damaged ({type(problem).__name__}).") from problem


def _read_exactly(stream: IO[bytes], count: int, arriving: Callable[[bool], None]) -> bytearray:
    """Read `count` bytes in pieces, so that a wrong length allocates no memory."""
    data = bytearray()
    while len(data) < count:
        arriving(True)
        piece = stream.read(min(count - len(data), _CHUNK))
        if not piece:
            raise EOFError
        data += piece
    return data
