"""Reads and copies small untrusted files: regular files only, of bounded size, and JSON of bounded depth.

A named pipe blocks forever, a device never ends, and deep nesting or huge numbers break later code; all of these raise
one error with a phrase that explains the problem.
"""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sdxl_desktop.core.regular_files import FileTooLargeError, NotARegularFileError, read_regular
from sdxl_desktop.core.untrusted_text import display_text

MAX_BYTES = 4 * 2**20
"""Maximum bytes; the largest description, a shard index, has 0.2 MB."""
_MAX_DEPTH = 32

T = TypeVar("T")


class UntrustedFileError(ValueError):
    """A file that cannot be used; the message is a phrase that follows "since", without a full stop."""


def is_regular_file(file: Path) -> bool:
    """Whether `file` is a regular file, following links; False if that cannot be determined."""
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except (OSError, ValueError):
        return False


def path_exists(path: Path) -> bool:
    """Whether `path` exists; True if that cannot be determined."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder, following links; False if that cannot be determined."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def read_limited(file: Path, limit: int = MAX_BYTES) -> bytes:
    """Return the content of `file`; raises UntrustedFileError if it is not a regular file, larger than `limit` bytes,
    or unreadable."""
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
    """Return the JSON in `file`; raises UntrustedFileError. `-Infinity`, which diffusers writes, is accepted; 1e999 and
    NaN are not. Integers of more than 20 digits become floats."""
    content = read_limited(file, limit)
    try:
        return parse_json(content.decode("utf-8-sig"))
    except UnicodeDecodeError as problem:
        raise UntrustedFileError(_reason(problem)) from problem


def parse_json(text: str, *, nan_is_null: bool = False) -> Any:
    """Return the value of the JSON `text`, whose length the caller has limited; raises UntrustedFileError, also if it
    is nested too deeply. Numbers are as in `read_json`; `nan_is_null`: NaN, Infinity and numbers that are too large
    become None."""
    bounded = _or_none if nan_is_null else _identity
    try:
        value = json.loads(
            text,
            parse_float=bounded(_parse_finite),
            parse_int=bounded(_parse_bounded_int),
            parse_constant=bounded(_parse_constant),
        )
    except (ValueError, RecursionError) as problem:
        raise UntrustedFileError(_reason(problem)) from problem
    if _depth(value) > _MAX_DEPTH:
        raise UntrustedFileError("it is nested far too deeply")
    return value


def read_json_object(file: Path, limit: int = MAX_BYTES) -> dict[str, Any]:
    """Return the JSON object in `file`; raises UntrustedFileError if it holds anything else."""
    value = read_json(file, limit)
    if not isinstance(value, dict):
        raise UntrustedFileError("it does not describe anything")
    return value


def read_json_as(file: Path, kind: type[T], limit: int = MAX_BYTES) -> T:
    """Return the JSON in `file` as a `kind`, converted by msgspec; raises UntrustedFileError."""
    try:
        return msgspec.json.decode(read_limited(file, limit), type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
        raise UntrustedFileError(_reason(problem)) from problem


def copy_limited(file: Path, target: Path, limit: int = MAX_BYTES) -> None:
    """Copy the content of `file`, not its file type; raises UntrustedFileError, and OSError if `target` cannot be
    written."""
    target.write_bytes(read_limited(file, limit))


_NumberParser = Callable[[str], Any]


def _identity(parse: _NumberParser) -> _NumberParser:
    return parse


def _or_none(parse: _NumberParser) -> _NumberParser:
    def parse_or_none(text: str) -> Any:
        try:
            return parse(text)
        except ValueError:
            return None

    return parse_or_none


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
