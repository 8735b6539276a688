"""Text to and from a terminal of any encoding: file names may not be valid text, terminals may lack Unicode."""

from __future__ import annotations

import codecs
import sys

_ERROR_HANDLER_NAME = "sdxl-desktop-tolerant"


def tolerate_any_text() -> None:
    """Make standard output write undecodable bytes of file names unchanged, and unsupported characters as escapes,
    instead of raising UnicodeEncodeError. (Standard error writes escapes anyway.)"""
    codecs.register_error(_ERROR_HANDLER_NAME, _encode_anyway)
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors=_ERROR_HANDLER_NAME)


def decode_argument(text: str) -> str:
    """Decode an argument as UTF-8 if the terminal uses it but Python was configured otherwise (such as LC_ALL=C)."""
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
