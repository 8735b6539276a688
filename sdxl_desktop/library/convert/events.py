"""What a conversion tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sdxl_desktop.core import errors
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.children import words
from sdxl_desktop.library.children.words import Done, JobProgress
from sdxl_desktop.library.detect import errors as import_errors

_ERRORS = words.errors_of(errors, import_errors)


class Stage(StrEnum):
    """What is being done to a part, in this order; the words are shown to people."""

    STARTING = "starting"
    UNPICKLING = "reading the pickle"
    CHECKING = "checking what is done"
    TRACING = "reading the network"
    COMPRESSING = "compressing"
    WRITING = "writing"
    COPYING = "copying"
    FINISHING = "finishing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionProgress(JobProgress[Stage]):
    """Where a conversion stands; `done` and `total` are bytes or weights."""


def read_line(line: bytes) -> ConversionProgress | SdxlDesktopError | Done:
    """What the process said; raises UnreadableLineError for a line that it cannot have said."""
    return words.read(line, _progress, _ERRORS, SdxlDesktopError)


def _progress(said: dict[str, Any]) -> ConversionProgress:
    return ConversionProgress(**{**said, "stage": Stage(said["stage"])})
