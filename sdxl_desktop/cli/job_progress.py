"""Progress of a library job in a terminal: JSON lines, a live bar on a screen, or short lines in a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn

from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.cli.progress_display import LogThrottle

P = TypeVar("P")
T = TypeVar("T")
Show = Callable[[P], None]


def _position(progress: Any) -> tuple[float, float | None]:
    return progress.fraction, 1.0


def _amount(progress: Any) -> str:
    return f" {progress.fraction:.0%}"


def _json_event(progress: Any) -> dict[str, Any]:
    """Return the JSON event; the phase is called "stage", as existing programs expect."""
    return {"event": "progress", **{"stage" if name == "phase" else name: it for name, it in asdict(progress).items()}}


def _columns() -> tuple[ProgressColumn, ...]:
    return SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressFormat(Generic[P]):
    """How progress is shown; the defaults are for a dataclass with a `fraction`.

    A log line consists of `describe` and `amount`, printed immediately if the `topic` is new. A bar has `columns`, a
    `total` (None if unknown) and a `position`: (done, total). `event` is the JSON.
    """

    describe: Callable[[P], str]
    topic: Callable[[P], object]
    amount: Callable[[P], str] = _amount
    total: float | None = 1.0
    position: Callable[[P], tuple[float, float | None]] = _position
    columns: Callable[[], tuple[ProgressColumn, ...]] = _columns
    event: Callable[[P], dict[str, Any]] = _json_event


def run_with_progress(
    work: Callable[[Show[P]], T], format_: ProgressFormat[P], console: Console, *, as_json: bool
) -> T:
    """Return the result of `work`; its progress is printed as JSON or shown on `console`."""
    if as_json or not console.is_terminal:
        return work(line_printer(format_, console, as_json=as_json))
    bar = Progress(*format_.columns(), console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    with bar:
        task = bar.add_task("Starting", total=format_.total)

        def show(progress: P) -> None:
            done, total = format_.position(progress)
            bar.update(task, description=format_.describe(progress), completed=done, total=total)

        return work(show)


def line_printer(format_: ProgressFormat[P], console: Console, *, as_json: bool) -> Show[P]:
    """Return a function that prints a JSON event per progress, or a line per topic and every ten seconds."""
    pace = LogThrottle()

    def show(progress: P) -> None:
        if as_json:
            print_json(format_.event(progress))
        elif pace.is_due(format_.topic(progress)):
            print_message(console, f"{format_.describe(progress)}…{format_.amount(progress)}")

    return show


def print_message(console: Console, message: str) -> None:
    """Print a message for people on standard error."""
    console.print(message, markup=False, emoji=False, highlight=False, soft_wrap=True)


def print_json(content: dict[str, Any]) -> None:
    """Print one line of JSON for programs on standard output."""
    print(json_line(content), flush=True)


def duration(seconds: float) -> str:
    """Format a duration: "40 s", "12 min"."""
    return f"{round(seconds)} s" if seconds < 90 else f"{round(seconds / 60)} min"
