"""Small JSON files that the application remembers something in: read as far as they can be used, changed under a lock.

Several windows and commands share these files. Whoever changes one reads it anew, changes what is its own and writes
it whole, while nobody else does; fields that this version does not know stay as they are.
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
"""A larger one is none of ours."""
_LOCK_SECONDS = 3.0
"""Whoever holds a lock writes a small file; one that is stopped meanwhile is not waited for."""
_LARGEST, _SMALLEST = 2**64 - 1, -(2**63)
T = TypeVar("T")


class InvalidNumber:
    """Stands for what JSON's grammar takes for a number and no value is: NaN, 1e999, a thousand digits."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def read_raw_json(file: Path) -> Any:
    """What `file` holds, decoded, whatever it is. Byte order marks and UTF-16 are understood.

    Raises FileNotFoundError when there is none, other OSErrors when it cannot be read or is no file of sane size, and
    ValueError for what is no JSON.
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
    """As much of `file` as can be used, and `default` for the rest and where there is no such file. Never raises."""
    try:
        raw = read_raw_json(file)
    except (OSError, ValueError):
        return default
    return decode_leniently(kind, raw, default)[0]


def update_state(file: Path, kind: type[T], default: T, change: Callable[[T], T], error_message: str) -> T:
    """Let `change` make another value of what `file` holds now, and write that if it differs. Returns it.

    Raises SettingsError, which says what `failed` and why, when it cannot be written.
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
    """Nobody else changes `file` within. Raises SettingsError, which says what `failed`, where no lock can be made."""
    lock = filelock.FileLock(file.with_name(f".{file.name}.lock"), timeout=_LOCK_SECONDS)
    try:
        make_private_folder(file.parent)
        with contextlib.suppress(filelock.Timeout, NotImplementedError):  # a file system without locks has none
            lock.acquire()
    except OSError as problem:
        raise _write_error(file, error_message, problem) from problem
    try:
        yield
    finally:
        lock.release()


def write_raw_json(file: Path, content: Any, error_message: str) -> None:
    """Make `content` the whole of `file`, as text that only this person can read. Raises SettingsError, which says
    `failed` and why."""
    text = json.dumps(content, ensure_ascii=False, indent=2, default=repr)
    try:
        write_atomically(file, replace_unencodable(text).encode() + b"\n", private=True)
    except OSError as problem:
        raise _write_error(file, error_message, problem) from problem


def move_aside(file: Path) -> str:
    """Put what cannot be read out of the way, without changing it; a sentence that says where it is."""
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
    """`after` with the fields of `file` that `kind` does not have: another version's."""
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
    """The same with text that UTF-8 can hold."""
    match raw:
        case str():
            return replace_unencodable(raw)
        case dict():
            return {replace_unencodable(key): _replace_unencodable(value) for key, value in raw.items()}
        case list():
            return [_replace_unencodable(value) for value in raw]
    return raw
