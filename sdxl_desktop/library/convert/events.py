"""What a conversion tells while it runs, and how that crosses from its process as lines of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sdxl_desktop.core import errors
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.detect import errors as import_errors


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
class ConversionProgress:
    """`part` at work ("unet"), its `stage`, `done` of `total` in the stage (bytes or weights; 0 of 0 where nothing can
    be counted), and the `fraction` of the whole conversion that is behind, which never falls."""

    stage: Stage
    part: str = ""
    done: int = 0
    total: int = 0
    fraction: float = 0.0


def progress_line(progress: ConversionProgress) -> str:
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


class Done:
    """The process has done all of its work."""


def read_line(line: str) -> ConversionProgress | SdxlDesktopError | Done:
    """What the process said; raises ValueError for a line that it cannot have said."""
    said: dict[str, Any] = json.loads(line)
    match said.pop("event", None):
        case "progress":
            return ConversionProgress(**{**said, "stage": Stage(said["stage"])})
        case "error":
            known: dict[str, type[SdxlDesktopError]] = {**vars(errors), **vars(import_errors)}
            kind = known.get(said["kind"], SdxlDesktopError)
            return kind(said["what"], why=said["why"], next_step=said["next_step"])
        case "done":
            return Done()
    raise ValueError(f"unknown event in {line!r}")
