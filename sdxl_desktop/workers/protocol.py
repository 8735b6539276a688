"""The form of every message between the application and a worker process: a header with the length, then a pickle.

Both ends are this program, on one machine, over a pipe nobody else can open, so pickle is safe here. They work in
different folders, so relative paths are made absolute on the way.
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
"""Bytes; a run of many large pictures with all of their latents takes some gigabytes."""
_CHUNK = 1 << 20
EXIT_UNREADABLE = 76
"""Exit code of a worker that could not read what it was sent."""


class UnreadableMessageError(Exception):
    """What came over the pipe is no message, or there is no memory for it; nothing after it can be read either."""


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Path) and not value.is_absolute():
            return value.absolute().__reduce__()
        return NotImplemented


def pack(message: object) -> bytes | memoryview:
    """The message as a frame. Raises MemoryError, and pickle.PicklingError for what cannot be sent."""
    frame = io.BytesIO()
    frame.write(_HEADER.pack(_MAGIC, 0))
    _Pickler(frame, protocol=pickle.HIGHEST_PROTOCOL).dump(message)
    length = frame.tell() - _HEADER.size
    frame.seek(0)
    frame.write(_HEADER.pack(_MAGIC, length))
    return frame.getbuffer()


def write(stream: IO[bytes], message: object) -> None:
    """Send one message whole. Raises OSError when the other end is gone, and what `pack` raises before anything was
    sent."""
    write_frame(stream, pack(message))


def write_frame(stream: IO[bytes], frame: bytes | memoryview) -> None:
    """Send what `pack` made. Raises OSError when the other end is gone."""
    stream.write(frame)
    stream.flush()


def read(stream: IO[bytes], expected: Any = object, arriving: Callable[[bool], None] = lambda begun: None) -> Any:
    """The next message, one of the types `expected`. Raises EOFError when the other end is gone and UnreadableError.

    `arriving` is called with True for each piece of it that has come, and with False when it is whole.
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
    except Exception as problem:  # a pickle that is damaged can raise anything, EOFError and OSError too
        raise UnreadableMessageError(f"It is damaged ({type(problem).__name__}).") from problem


def _read_exactly(stream: IO[bytes], count: int, arriving: Callable[[bool], None]) -> bytearray:
    """Taken in pieces, so that a length that is not true takes no memory."""
    data = bytearray()
    while len(data) < count:
        arriving(True)
        piece = stream.read(min(count - len(data), _CHUNK))
        if not piece:
            raise EOFError
        data += piece
    return data
