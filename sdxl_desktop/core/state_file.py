"""Small JSON files for the application's state: decoded leniently, changed under a lock.

Several windows and commands share these files. A change locks the file, reads it again, changes its own fields and
writes the whole file; fields that this version does not know are preserved.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import filelock
import msgspec

from sdxl_desktop.core.atomic_write import write_atomically
from sdxl_desktop.core.errors import SettingsError, describe_error
from sdxl_desktop.core.lenient_decoding import decode_leniently, to_builtins
from sdxl_desktop.core.private_files import make_private_folder
from sdxl_desktop.core.regular_files import read_regular
from sdxl_desktop.core.untrusted_text import replace_unencodable

MAX_BYTES = 2**22
"""A larger file was not written by this application."""
_LOCK_SECONDS = 3.0
"""A lock is held while a small file is written; a longer wait means that its holder has stalled."""
_LARGEST, _SMALLEST = 2**64 - 1, -(2**63)
T = TypeVar("T")


class InvalidNumber:
    """Stands for text that is a number in JSON's grammar but has no usable value: NaN, 1e999, a thousand digits."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def read_raw_json(file: Path) -> Any:
    """Return the decoded content of `file`, of any type. Byte order marks and UTF-16 are supported.

    Raises FileNotFoundError if it is missing, other OSErrors if it cannot be read, is not a file or is too large, and
    ValueError for invalid JSON.
    """
    content = read_regular(file, MAX_BYTES)
    text = content.decode(json.detect_encoding(content), errors="replace")
    try:
        return _replace_unencodable(
            json.loads(text, parse_int=_parse_int, parse_float=_parse_float, parse_constant=InvalidNumber)
        )
    except RecursionError as problem:
        raise ValueError("It is nested too deeply") from problem


def read_state(file: Path, kind: type[T], default: T) -> T:
    """Return the usable part of `file`, with `default` for the rest and for a missing file. Never raises."""
    try:
        raw = read_raw_json(file)
    except (OSError, ValueError):
        return default
    return decode_leniently(kind, raw, default)[0]


def update_state(file: Path, kind: type[T], default: T, change: Callable[[T], T], error_message: str) -> T:
    """Pass the current content of `file` to `change`, and write and return its result; nothing is written if it is
    equal.

    Raises SettingsError with `error_message` and the reason if it cannot be written.
    """
    with file_lock(file, error_message):
        before = read_state(file, kind, default)
        held = to_builtins(before)
        after = change(before)
        if to_builtins(after) != held:
            write_raw_json(file, _merge_unknown_fields(file, kind, to_builtins(after)), error_message)
    return after


@contextlib.contextmanager
def file_lock(file: Path, error_message: str) -> Iterator[None]:
    """Hold the lock of `file` within the block. Raises SettingsError with `error_message` if no lock can be created."""
    lock = filelock.FileLock(file.with_name(f".{file.name}.lock"), timeout=_LOCK_SECONDS)
    try:
        make_private_folder(file.parent)
        with contextlib.suppress(filelock.Timeout, NotImplementedError):  # not every file system supports locks
            lock.acquire()
    except OSError as problem:
        raise _write_error(file, error_message, problem) from problem
    try:
        yield
    finally:
        lock.release()


def write_raw_json(file: Path, content: Any, error_message: str) -> None:
    """Write `content` as the whole of `file`, readable by this user only. Raises SettingsError with `error_message` and
    the reason."""
    text = json.dumps(content, ensure_ascii=False, indent=2, default=repr)
    try:
        write_atomically(file, replace_unencodable(text).encode() + b"\n", private=True)
    except OSError as problem:
        raise _write_error(file, error_message, problem) from problem


def move_aside(file: Path) -> str:
    """Rename an unreadable file, unchanged; return a sentence that says where it is."""
    for number in range(1, 100):
        when = time.strftime("%Y%m%d-%H%M%S") + (f"-{number}" if number > 1 else "")
        aside = file.with_name(f"{file.stem}-unreadable-{when}{file.suffix}")
        if os.path.lexists(aside):
            continue
        try:
            os.rename(file, aside)
        except OSError:
            break
        return f"The old file is kept as {aside}."
    return f"The old file is still at {file}."


def _write_error(file: Path, error_message: str, problem: OSError) -> SettingsError:
    return SettingsError(
        error_message, why=describe_error(problem), next_step=f"Make {file.parent} writable, and room on its disk."
    )


def _merge_unknown_fields(file: Path, kind: Any, after: Any) -> Any:
    """Return `after` with the fields of `file` that `kind` lacks: those of another version."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return after
    try:
        raw = read_raw_json(file)
    except (OSError, ValueError):
        return after
    known = kind.__struct_fields__
    return {**{name: value for name, value in raw.items() if name not in known}, **after} if _is_dict(raw) else after


def _is_dict(raw: Any) -> bool:
    return isinstance(raw, dict)


def _parse_int(text: str) -> int | InvalidNumber:
    if len(text) > len(str(_SMALLEST)):
        return InvalidNumber(text)
    number = int(text)
    return number if _SMALLEST <= number <= _LARGEST else InvalidNumber(text)


def _parse_float(text: str) -> float | InvalidNumber:
    number = float(text)
    return InvalidNumber(text) if number in (float("inf"), float("-inf")) else number


def _replace_unencodable(raw: Any) -> Any:
    """Return a copy whose text can be encoded as UTF-8."""
    match raw:
        case str():
            return replace_unencodable(raw)
        case dict():
            return {replace_unencodable(key): _replace_unencodable(value) for key, value in raw.items()}
        case list():
            return [_replace_unencodable(value) for value in raw]
    return raw
