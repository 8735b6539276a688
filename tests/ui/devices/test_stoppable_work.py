"""Cancellable work reports every outcome on the main thread, and nothing after it was cancelled."""

from __future__ import annotations

import threading
from typing import Any

import shiboken6
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.errors import UnexpectedError
from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.engine.engine_protocol import Emit
from sdxl_desktop.ui.devices.stoppable_work import StoppableWork

SECONDS = 10
PROGRESS = Progress(phase=Phase.COMPILING)


def test_progress_and_result_arrive_on_the_main_thread(app: QApplication, qtbot: QtBot) -> None:
    work, reported = StoppableWork(), list[Any]()
    for signal in (work.progressed, work.done, work.failed):
        signal.connect(lambda what: reported.append((what, threading.current_thread())))

    def measure(emit: Emit, cancel: threading.Event) -> str:
        emit(PROGRESS)
        return "a table"

    work.start(measure)
    assert work.running
    qtbot.waitUntil(lambda: len(reported) == 2, timeout=SECONDS * 1000)
    assert reported == [(PROGRESS, threading.main_thread()), ("a table", threading.main_thread())]
    assert not work.running


def test_an_unexpected_error_is_reported(app: QApplication, qtbot: QtBot) -> None:
    def fail(emit: Emit, cancel: threading.Event) -> None:
        raise KeyError("a bug")

    work = StoppableWork()
    with qtbot.waitSignal(work.failed, timeout=SECONDS * 1000) as failed:
        work.start(fail)
    assert isinstance(failed.args[0], UnexpectedError)
    assert "a bug" in str(failed.args[0])
    assert not work.running


def test_what_was_stopped_tells_nothing_any_more(app: QApplication, qtbot: QtBot) -> None:
    work, reported, begun = StoppableWork(), list[Any](), threading.Event()
    for signal in (work.progressed, work.done, work.failed):
        signal.connect(reported.append)

    def measure(emit: Emit, cancel: threading.Event) -> str:
        begun.set()
        cancel.wait(SECONDS)
        emit(PROGRESS)
        return "the first"

    work.start(measure)
    assert begun.wait(SECONDS)
    work.start(lambda emit, cancel: "the second")
    qtbot.waitUntil(lambda: reported != [], timeout=SECONDS * 1000)
    app.processEvents()
    assert reported == ["the second"]


def test_work_ends_with_the_one_who_asked_for_it(app: QApplication) -> None:
    work, stopped, begun = StoppableWork(), threading.Event(), threading.Event()

    def measure(emit: Emit, cancel: threading.Event) -> None:
        begun.set()
        if cancel.wait(SECONDS):
            stopped.set()
        emit(PROGRESS)

    work.start(measure)
    assert begun.wait(SECONDS)
    shiboken6.delete(work)
    assert stopped.wait(SECONDS)
