"""What a computing child says to its parent: progress, and a last word, as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import ModuleType
from typing import Any, Generic, TypeVar

from sdxl_desktop.core.errors import SdxlDesktopError

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress(Generic[S]):
    """`part` at work ("unet"), its `stage`, `done` of `total` in the stage (bytes, weights or looks of the UNet; 0 of 0
    where nothing can be counted), and the `fraction` of the whole job that is behind, which never falls."""

    stage: S
    part: str = ""
    done: int = 0
    total: int = 0
    fraction: float = 0.0


P = TypeVar("P", bound=JobProgress[Any])
Errors = Mapping[str, type[SdxlDesktopError]]
"""Those that may cross, by name."""


class UnreadableLineError(Exception):
    """What a child said is nothing that it can have said."""


class Done:
    """The child has done all of its work."""


def progress_line(progress: JobProgress[Any]) -> bytes:
    return _line({"event": "progress", **asdict(progress)})


def error_line(problem: SdxlDesktopError) -> bytes:
    about = {"what": problem.what, "why": problem.why, "next_step": problem.next_step}
    return _line({"event": "error", "kind": type(problem).__name__, **about})


def done_line() -> bytes:
    return _line({"event": "done"})


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said).encode() + b"\n"


def errors_of(*modules: ModuleType) -> Errors:
    """The errors that `modules` define or import."""
    found = (entry for module in modules for entry in vars(module).values() if isinstance(entry, type))
    return {kind.__name__: kind for kind in found if issubclass(kind, SdxlDesktopError)}


def read(
    line: bytes, progress: Callable[[dict[str, Any]], P], errors: Errors, otherwise: type[SdxlDesktopError]
) -> P | SdxlDesktopError | Done:
    """What the child said. `progress` makes one of its fields; an error that is not one of `errors` comes as
    `otherwise`. Raises UnreadableLineError for a line that it cannot have said."""
    with readable():
        said: dict[str, Any] = json.loads(line)
        match said.pop("event", None):
            case "progress":
                return progress(said)
            case "error":
                kind = errors.get(said["kind"], otherwise)
                return kind(said["what"], why=said["why"], next_step=said["next_step"])
            case "done":
                return Done()
        raise ValueError("unknown event")


@contextmanager
def readable() -> Iterator[None]:
    """Makes an UnreadableLineError of whatever is raised while a line is read."""
    try:
        yield
    except Exception as problem:
        raise UnreadableLineError(f"{type(problem).__name__}: {problem}"[:300]) from problem


def passing_on(
    read_line: Callable[[bytes], P | SdxlDesktopError | Done], emit: Callable[[P], None]
) -> Callable[[bytes], SdxlDesktopError | Done | None]:
    """For `parent.converse`: gives the progress to `emit`, and returns the last word."""

    def hear(line: bytes) -> SdxlDesktopError | Done | None:
        said = read_line(line)
        if isinstance(said, SdxlDesktopError | Done):
            return said
        emit(said)
        return None

    return hear
