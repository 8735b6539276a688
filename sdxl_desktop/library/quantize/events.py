"""What a quantization tells while it runs, and how that crosses from its process as lines of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sdxl_desktop.core import errors
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.detect import errors as import_errors
from sdxl_desktop.library.quantize import errors as own_errors


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
class QuantizationProgress:
    """`part` at work ("unet"), its `stage`, `done` of `total` in the stage (bytes, weights, looks of the UNet; 0 of 0
    where nothing can be counted), and the `fraction` of the whole that is behind, which never falls."""

    stage: Stage
    part: str = ""
    done: int = 0
    total: int = 0
    fraction: float = 0.0


class Done:
    """The process has done all of its work."""


def progress_line(progress: QuantizationProgress) -> str:
    return json.dumps({"event": "progress", **asdict(progress)})


def error_line(problem: SdxlDesktopError) -> str:
    return json.dumps(
        {
            "event": "error",
            "kind": type(problem).__name__,
            "what": problem.what,
            "why": problem.why,
            "next_step": problem.next_step,
        }
    )


def done_line() -> str:
    return json.dumps({"event": "done"})


def read_line(line: str) -> QuantizationProgress | SdxlDesktopError | Done:
    """What the process said; raises ValueError for a line that it cannot have said."""
    said: dict[str, Any] = json.loads(line)
    match said.pop("event", None):
        case "progress":
            return QuantizationProgress(**{**said, "stage": Stage(said["stage"])})
        case "error":
            known: dict[str, Any] = {**vars(errors), **vars(import_errors), **vars(own_errors)}
            kind: type[SdxlDesktopError] = known.get(said["kind"], own_errors.QuantizationError)
            return kind(said["what"], why=said["why"], next_step=said["next_step"])
        case "done":
            return Done()
    raise ValueError(f"unknown event in {line!r}")
