"""Progress of a run in a terminal: a live bar on a screen, short lines in a log. Always on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from sdxl_desktop.core.events import Phase, Progress

_SECONDS_BETWEEN_LINES = 10.0


class Display(Protocol):
    """Shows the progress of a run."""

    def show(self, progress: Progress) -> None: ...

    def print_message(self, sentence: str) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def display_for(console: Console) -> Display:
    """Return a live bar if `console` is a terminal, else lines."""
    return LiveDisplay(console) if console.is_terminal else LineDisplay(console)


class LogThrottle:
    """Limits log lines: one immediately if the topic is new, and one every ten seconds while it stays."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._topic: object = None
        self._told_at = 0.0

    def is_due(self, topic: object) -> bool:
        """Whether a line on `topic` should be printed now."""
        now = self._clock()
        if topic == self._topic and now - self._told_at < _SECONDS_BETWEEN_LINES:
            return False
        self._topic, self._told_at = topic, now
        return True


class LiveDisplay:
    """One progress bar for all phases."""

    def __init__(self, console: Console) -> None:
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task: TaskID | None = None

    def show(self, progress: Progress) -> None:
        if self._task is None:
            self._task = self._bar.add_task("", total=None, words="")
        self._bar.update(
            self._task,
            description=_title(progress),
            total=None if progress.fraction is None else 1.0,
            completed=progress.fraction or 0.0,
            words=_details(progress),
        )

    def print_message(self, sentence: str) -> None:
        self._bar.console.print(sentence, markup=False, emoji=False, highlight=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


class LineDisplay:
    """One line for each phase and picture, and one every ten seconds of denoising."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._throttle = LogThrottle(clock)

    def show(self, progress: Progress) -> None:
        if not self._throttle.is_due((progress.phase, progress.detail, progress.picture)):
            return
        self.print_message(" ".join(part for part in (f"{_title(progress)}…", _details(progress)) if part))

    def print_message(self, sentence: str) -> None:
        self._console.print(sentence, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _title(progress: Progress) -> str:
    words = [progress.description]
    if progress.pictures > 1 and progress.phase in (Phase.DENOISING, Phase.DECODING):
        words.append(f"{progress.picture + 1} of {progress.pictures}")
    return " ".join(words)


def _details(progress: Progress) -> str:
    details = []
    if progress.total and not progress.description_has_step:
        details.append(f"step {progress.step} of {progress.total}")
    if progress.seconds_per_step:
        details.append(f"{progress.seconds_per_step:.2g} s a step")
    if progress.seconds_left is not None:
        details.append(f"{_duration(progress.seconds_left)} left")
    return ", ".join(details)


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
