"""Text from and to a terminal, whatever its encoding: file names need not be text, terminals need not have Unicode."""

from __future__ import annotations

import codecs
import sys

_ERROR_HANDLER_NAME = "sdxl-desktop-tolerant"


def tolerate_any_text() -> None:
    """Let standard output write the bytes of a file's name as they are, and letters that it lacks as escapes, instead
    of raising UnicodeEncodeError. (Standard error writes escapes anyway.)"""
    codecs.register_error(_ERROR_HANDLER_NAME, _encode_anyway)
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors=_ERROR_HANDLER_NAME)


def decode_argument(text: str) -> str:
    """What an argument says where the terminal speaks UTF-8 and Python was told otherwise (LC_ALL=C and the like)."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return text


def _encode_anyway(problem: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    unwritable = problem.object[problem.start : problem.end]
    return b"".join(map(_bytes_of, unwritable)), problem.end


def _bytes_of(letter: str) -> bytes:
    if "\udc80" <= letter <= "\udcff":
        return bytes((ord(letter) - 0xDC00,))
    return letter.encode("ascii", "backslashreplace")
