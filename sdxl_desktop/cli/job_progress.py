"""How a job of the library looks in a terminal: lines of JSON, a live bar on a screen, or terse lines in a log."""

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
    """The phase is called "stage" there, as programs that read it know it."""
    return {"event": "progress", **{"stage" if name == "phase" else name: it for name, it in asdict(progress).items()}}


def _columns() -> tuple[ProgressColumn, ...]:
    return SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressFormat(Generic[P]):
    """How progress is shown; by default that of a dataclass with a `fraction`.

    In a log its `words` and the `amount` behind them are a line, at once when the `topic` is a new one. A bar has
    `columns`, starts with `total` (None for not known) and goes to `reached`: (done, total). `event` is its JSON.
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
    """What `work` returns; the progress that it shows is printed as JSON, or told on `console`."""
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
    """Prints an event for each progress, or tells a line for each topic and every ten seconds."""
    pace = LogThrottle()

    def show(progress: P) -> None:
        if as_json:
            print_json(format_.event(progress))
        elif pace.is_due(format_.topic(progress)):
            print_message(console, f"{format_.describe(progress)}…{format_.amount(progress)}")

    return show


def print_message(console: Console, message: str) -> None:
    """Tell a person, on standard error."""
    console.print(message, markup=False, emoji=False, highlight=False, soft_wrap=True)


def print_json(content: dict[str, Any]) -> None:
    """Tell a program: one line on standard output."""
    print(json_line(content), flush=True)


def duration(seconds: float) -> str:
    """ "40 s", "12 min"."""
    return f"{round(seconds)} s" if seconds < 90 else f"{round(seconds / 60)} min"
