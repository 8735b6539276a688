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

from sdxl_desktop.core.regular_files import FileTooLargeError, NotARegularFileError, read_regular
from sdxl_desktop.core.untrusted_text import display_text

MAX_BYTES = 4 * 2**20
"""Bytes; the largest description, a shard index, has 0.2 MB."""
_MAX_DEPTH = 32

T = TypeVar("T")


class UntrustedFileError(ValueError):
    """A file that cannot be used; the message is a phrase to follow "since", without a full stop."""


def is_regular_file(file: Path) -> bool:
    """Whether there is a regular file at `file`, behind links too; False where that cannot be found out."""
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except (OSError, ValueError):
        return False


def path_exists(path: Path) -> bool:
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


def read_limited(file: Path, limit: int = MAX_BYTES) -> bytes:
    """All of `file`; raises SmallFileError when it is no regular file, larger than `limit` bytes, or unreadable."""
    try:
        return read_regular(file, limit)
    except FileNotFoundError as problem:
        raise UntrustedFileError("there is no such file") from problem
    except NotARegularFileError as problem:
        raise UntrustedFileError("it is no regular file") from problem
    except FileTooLargeError as problem:
        raise UntrustedFileError("it is far larger than such a file is") from problem
    except OSError as problem:
        raise UntrustedFileError(display_text(problem.strerror or problem).lower()) from problem


def read_json(file: Path, limit: int = MAX_BYTES) -> Any:
    """The JSON in `file`; raises SmallFileError. `-Infinity`, which diffusers writes, is a number; 1e999 and NaN are
    none. Whole numbers of more than 20 digits become floats."""
    content = read_limited(file, limit)
    try:
        value = json.loads(
            content.decode("utf-8-sig"),
            parse_float=_parse_finite,
            parse_int=_parse_bounded_int,
            parse_constant=_parse_constant,
        )
    except (ValueError, RecursionError) as problem:
        raise UntrustedFileError(_reason(problem)) from problem
    if _depth(value) > _MAX_DEPTH:
        raise UntrustedFileError("it is nested far too deeply")
    return value


def read_json_object(file: Path, limit: int = MAX_BYTES) -> dict[str, Any]:
    """The JSON object in `file`; raises SmallFileError when there is none."""
    value = read_json(file, limit)
    if not isinstance(value, dict):
        raise UntrustedFileError("it does not describe anything")
    return value


def read_json_as(file: Path, kind: type[T], limit: int = MAX_BYTES) -> T:
    """The JSON in `file` as msgspec makes a `kind` of it; raises SmallFileError."""
    try:
        return msgspec.json.decode(read_limited(file, limit), type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
        raise UntrustedFileError(_reason(problem)) from problem


def copy_limited(file: Path, target: Path, limit: int = MAX_BYTES) -> None:
    """Copy the content of `file`, not what it is; raises SmallFileError, and OSError where it cannot be written."""
    target.write_bytes(read_limited(file, limit))


def _parse_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("one of its numbers is too large")
    return number


def _parse_bounded_int(text: str) -> int | float:
    """transformers writes 1000000000000000019884624838656 for "no limit"."""
    return int(text) if len(text) <= 20 else _parse_finite(text)


def _parse_constant(text: str) -> float:
    if text == "-Infinity":
        return -math.inf
    raise ValueError(f"one of its numbers is {text}")


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest <= _MAX_DEPTH:
        deepest += 1
        inside = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [one for values in inside for one in values]
    return deepest


def _reason(problem: BaseException) -> str:
    if isinstance(problem, RecursionError):
        return "it is nested far too deeply"
    if isinstance(problem, UnicodeDecodeError):
        return "it is no text in UTF-8"
    return display_text(str(problem) or type(problem).__name__).rstrip(".")
