"""Reads and copies small files that others wrote: regular files only, of bounded size, and JSON of bounded depth.

A named pipe would never answer, a device never end, and deep or endless numbers break whoever works with them; here all
of that is one error with a phrase that says what is wrong.
"""

from __future__ import annotations

import json
import math
import stat
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.regular_files import IrregularFileError, TooLargeError, read_regular

LIMIT = 4 * 2**20
"""Bytes; the largest description, a shard index, has 0.2 MB."""
_DEEPEST = 32

T = TypeVar("T")


class SmallFileError(ValueError):
    """A file that cannot be used; the message is a phrase to follow "since", without a full stop."""


def is_regular(file: Path) -> bool:
    """Whether there is a regular file at `file`, behind links too; False where that cannot be found out."""
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """Whether there is anything at `path`; True where that cannot be found out."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def is_folder(path: Path) -> bool:
    """Whether there is a folder at `path`, behind links too; False where that cannot be found out."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def read_small(file: Path, limit: int = LIMIT) -> bytes:
    """All of `file`; raises SmallFileError when it is no regular file, larger than `limit` bytes, or unreadable."""
    try:
        return read_regular(file, limit)
    except FileNotFoundError as problem:
        raise SmallFileError("there is no such file") from problem
    except IrregularFileError as problem:
        raise SmallFileError("it is no regular file") from problem
    except TooLargeError as problem:
        raise SmallFileError("it is far larger than such a file is") from problem
    except OSError as problem:
        raise SmallFileError(shown(problem.strerror or problem).lower()) from problem


def read_json(file: Path, limit: int = LIMIT) -> Any:
    """The JSON in `file`; raises SmallFileError. `-Infinity`, which diffusers writes, is a number; 1e999 and NaN are
    none. Whole numbers of more than 20 digits become floats."""
    content = read_small(file, limit)
    try:
        value = json.loads(
            content.decode("utf-8-sig"), parse_float=_finite, parse_int=_bounded, parse_constant=_constant
        )
    except (ValueError, RecursionError) as problem:
        raise SmallFileError(_phrase(problem)) from problem
    if _depth(value) > _DEEPEST:
        raise SmallFileError("it is nested far too deeply")
    return value


def read_object(file: Path, limit: int = LIMIT) -> dict[str, Any]:
    """The JSON object in `file`; raises SmallFileError when there is none."""
    value = read_json(file, limit)
    if not isinstance(value, dict):
        raise SmallFileError("it does not describe anything")
    return value


def read_as(file: Path, kind: type[T], limit: int = LIMIT) -> T:
    """The JSON in `file` as msgspec makes a `kind` of it; raises SmallFileError."""
    try:
        return msgspec.json.decode(read_small(file, limit), type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
        raise SmallFileError(_phrase(problem)) from problem


def copy_small(file: Path, target: Path, limit: int = LIMIT) -> None:
    """Copy the content of `file`, not what it is; raises SmallFileError, and OSError where it cannot be written."""
    target.write_bytes(read_small(file, limit))


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("one of its numbers is too large")
    return number


def _bounded(text: str) -> int | float:
    """transformers writes 1000000000000000019884624838656 for "no limit"."""
    return int(text) if len(text) <= 20 else _finite(text)


def _constant(text: str) -> float:
    if text == "-Infinity":
        return -math.inf
    raise ValueError(f"one of its numbers is {text}")


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest <= _DEEPEST:
        deepest += 1
        inside = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [one for values in inside for one in values]
    return deepest


def _phrase(problem: BaseException) -> str:
    if isinstance(problem, RecursionError):
        return "it is nested far too deeply"
    if isinstance(problem, UnicodeDecodeError):
        return "it is no text in UTF-8"
    return shown(str(problem) or type(problem).__name__).rstrip(".")
