"""What a quantization tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sdxl_desktop.core import errors
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.children import words
from sdxl_desktop.library.children.words import Done, JobProgress
from sdxl_desktop.library.detect import errors as import_errors
from sdxl_desktop.library.quantize import errors as own_errors

_ERRORS = words.errors_of(errors, import_errors, own_errors)


class Stage(StrEnum):
    """What is being done; the words are shown to people."""

    STARTING = "starting"
    CHECKING = "checking what is done"
    COPYING = "copying"
    RECORDING = "drawing samples"
    CALIBRATING = "calibrating"
    COMPRESSING = "compressing"
    WRITING = "writing"
    FINISHING = "finishing"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationProgress(JobProgress[Stage]):
    """Where a quantization stands; `done` and `total` are bytes, weights or looks of the UNet."""


def read_line(line: bytes) -> QuantizationProgress | SdxlDesktopError | Done:
    """What the process said; raises UnreadableLineError for a line that it cannot have said."""
    return words.read(line, _progress, _ERRORS, own_errors.QuantizationError)


def _progress(said: dict[str, Any]) -> QuantizationProgress:
    return QuantizationProgress(**{**said, "stage": Stage(said["stage"])})
