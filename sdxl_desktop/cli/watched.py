"""Long work of a command beside the thread that hears Ctrl+C."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console

from sdxl_desktop.cli.doors import Doors
from sdxl_desktop.cli.foreground import CANCELLED, ctrl_c_heard
from sdxl_desktop.cli.progress import Display, display_for
from sdxl_desktop.cli.quiet import stdout_kept_clean
from sdxl_desktop.core.events import Event, Progress
from sdxl_desktop.engine.protocol import Emit
from sdxl_desktop.engine.workbench import StoppedError

_GRACE_SECONDS = 1.0
_TICK_SECONDS = 0.1

T = TypeVar("T")


def progress_shown(display: Display) -> Emit:
    """Hears events and shows the progress among them."""

    def hear(event: Event) -> None:
        if isinstance(event, Progress):
            display.show(event)

    return hear


def watched(doors: Doors, console: Console, work: Callable[[Display, threading.Event], T]) -> T:
    """What `work` returns; it runs in a thread, so that Ctrl+C is answered even while native code compiles, and its
    second argument is set then. Raises StoppedError, and what `work` raises."""
    cancel = threading.Event()
    answers: list[T] = []
    problems: list[BaseException] = []

    def run(display: Display) -> None:
        try:
            answers.append(work(display, cancel))
        except Exception as problem:  # told by the thread that waits
            problems.append(problem)

    with stdout_kept_clean(), display_for(console) as display, ctrl_c_heard(doors.leave) as ctrl_c:
        worker = threading.Thread(target=run, args=(display,), name="work", daemon=True)
        worker.start()
        stopped_at = None
        while worker.is_alive():
            worker.join(_TICK_SECONDS)
            if ctrl_c.is_set() and stopped_at is None:
                stopped_at = time.monotonic()
                cancel.set()
            if stopped_at is not None and time.monotonic() - stopped_at > _GRACE_SECONDS and worker.is_alive():
                sys.stderr.flush()
                doors.leave(CANCELLED)
                break
    if cancel.is_set():
        raise StoppedError
    if problems:
        raise problems[0]
    return answers[0]
