"""Run a command's long task in a thread, so that the main thread can handle Ctrl+C."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.foreground import EXIT_CANCELLED, catch_ctrl_c
from sdxl_desktop.cli.progress_display import Display, display_for
from sdxl_desktop.cli.stdout_redirect import stdout_to_stderr
from sdxl_desktop.core.events import EngineEvent, Progress
from sdxl_desktop.engine.device_benchmark import BenchmarkCancelledError
from sdxl_desktop.engine.engine_protocol import Emit

_GRACE_SECONDS = 1.0
_TICK_SECONDS = 0.1

T = TypeVar("T")


def progress_handler(display: Display) -> Emit:
    """Return an event handler that shows progress events on `display`."""

    def handle(event: EngineEvent) -> None:
        if isinstance(event, Progress):
            display.show(event)

    return handle


def run_in_background(entry_points: EntryPoints, console: Console, work: Callable[[Display, threading.Event], T]) -> T:
    """Return the result of `work`, which runs in a thread, so that Ctrl+C is handled even while native code compiles;
    it sets the second argument of `work`. Raises StoppedError, and what `work` raises."""
    cancel = threading.Event()
    answers: list[T] = []
    problems: list[BaseException] = []

    def run(display: Display) -> None:
        try:
            answers.append(work(display, cancel))
        except Exception as problem:  # raised by the waiting thread
            problems.append(problem)

    with stdout_to_stderr(), display_for(console) as display, catch_ctrl_c(entry_points.exit_process) as ctrl_c:
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
                entry_points.exit_process(EXIT_CANCELLED)
                break
    if cancel.is_set():
        raise BenchmarkCancelledError
    if problems:
        raise problems[0]
    return answers[0]
