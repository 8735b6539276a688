"""Background tasks always return a result or an error, which is shown; nothing waits for a dead disk."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtWidgets import QApplication, QMenu, QPushButton
from pytestqt.qtbot import QtBot
from qasync import QEventLoop

from sdxl_desktop.bridge.background import AsyncioBackgroundRunner, ReadTimeoutError
from sdxl_desktop.core.app_log import application_log
from sdxl_desktop.core.errors import OutputError, SdxlDesktopError, UnexpectedError
from sdxl_desktop.core.paths import LOG_FILE, AppPaths
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session import result_files
from sdxl_desktop.ui.log_dialog import LogDialog
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.save_dialog import SaveTarget
from sdxl_desktop.ui.uncaught_errors import report_uncaught_errors
from tests.ui.conftest import MakeWindow, wait_until_idle

pytestmark = pytest.mark.usefixtures("plain_style")


@pytest.fixture
def loop(app: QApplication) -> Iterator[QEventLoop]:
    loop = QEventLoop(app)
    with loop:
        yield loop
    del loop
    gc.collect()  # its timers must end on this thread, not on one that happens to collect garbage


def collect_results(loop: QEventLoop, *asked: Callable[[Callable[[object], None]], None]) -> list[object]:
    """Return the results of all `asked`, in the order in which they arrive."""
    seen: list[object] = []

    def done(answer: object) -> None:
        seen.append(answer)
        if len(seen) == len(asked):
            loop.stop()

    for ask in asked:
        ask(done)
    loop.run_forever()
    return seen


def fail(problem: BaseException) -> Callable[[], object]:
    def work() -> object:
        raise problem

    return work


@pytest.mark.parametrize("verb", ["read", "write"])
def test_whatever_work_raises_comes_back_as_an_error(loop: QEventLoop, verb: str) -> None:
    background = AsyncioBackgroundRunner(loop)
    ask = getattr(background, verb)
    ours = OutputError("The disk is full.")
    problems = (ours, ValueError("nobody thought of it"), RecursionError(), MemoryError(), KeyError("x"))

    def asked(problem: BaseException) -> Callable[[Callable[[object], None]], None]:
        return lambda done: ask(fail(problem), lambda _: None, done)

    seen = [collect_results(loop, asked(problem))[0] for problem in problems]
    background.close()
    assert seen[0] is ours
    assert all(isinstance(one, UnexpectedError) for one in seen[1:])
    assert "ValueError: nobody thought of it." in str(seen[1])


def test_reading_that_never_ends_is_given_up_and_stops_nothing_else(loop: QEventLoop) -> None:
    stuck = threading.Event()
    background = AsyncioBackgroundRunner(loop, read_seconds=0.3)
    seen = collect_results(
        loop,
        lambda done: background.read(stuck.wait, done, done),
        lambda done: background.read(stuck.wait, done, done),
        lambda done: background.read(lambda: "read", done),
        lambda done: background.write(lambda: "written", done),
    )
    background.close()
    stuck.set()
    assert set(seen[:2]) == {"read", "written"}
    assert all(isinstance(one, ReadTimeoutError) for one in seen[2:])


def test_an_answer_that_fails_is_reported(loop: QEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[BaseException] = []

    def hook(kind: object, problem: BaseException, trace: object) -> None:
        reported.append(problem)
        loop.stop()

    monkeypatch.setattr(sys, "excepthook", hook)
    background = AsyncioBackgroundRunner(loop)

    def done(_: object) -> None:
        raise RuntimeError("while it was shown")

    background.read(lambda: None, done)
    loop.run_forever()
    background.close()
    assert [str(problem) for problem in reported] == ["while it was shown"]


# in the window


def banner(window: MainWindow) -> str:
    return window.canvas_area.banner.accessibleName()


def test_a_picture_whose_saving_fails_unexpectedly_stays_and_is_reported(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("no such thing was foreseen")

    monkeypatch.setattr(result_files, "write_picture", broken)
    monkeypatch.setattr(result_files, "write_picture_without_metadata", broken)
    window.parameters_panel.set_prompt("a red heart")
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert len(window.session.results) == 1
    assert "no such thing was foreseen" in banner(window)


def test_a_library_that_cannot_be_looked_at_is_reported(
    make_window: MakeWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Library) -> None:
        raise RuntimeError("a folder from another world")

    monkeypatch.setattr(Library, "checkpoints", broken)
    window = make_window()
    assert "a folder from another world" in banner(window)


def test_a_pictures_folder_that_cannot_be_used_is_reported_and_the_usual_one_is_taken(
    window: MainWindow, qtbot: QtBot, paths: AppPaths, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    settings = window.preferences.settings().preferences
    window.preferences.set_value(replace(settings, pictures_folder=str(tmp_path / "file" / "pictures")))
    window.parameters_panel.set_prompt("a red heart")
    window.controller.generate()
    wait_until_idle(qtbot, window)
    (saved,) = paths.pictures.iterdir()
    assert window.session.results[0].saved_to == saved
    assert str(saved) in banner(window)


class SilencedHooks:
    """Python's own exception hooks, silenced while a test raises on purpose."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
            monkeypatch.setattr(module, name, lambda *_: None)


def test_what_is_raised_anywhere_is_shown_once_and_logged(
    window: MainWindow, loop: QEventLoop, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SilencedHooks(monkeypatch)
    shown: list[SdxlDesktopError] = []
    monkeypatch.setattr(window.controller, "show_error", shown.append)

    class Unraisable:
        def __del__(self) -> None:
            raise RuntimeError("in a finalizer")

    async def task() -> None:
        raise RuntimeError("in a task")

    with application_log(tmp_path / "logs"), report_uncaught_errors(window, loop=loop):
        assert not (tmp_path / "logs").exists()
        for _ in range(3):
            thread = threading.Thread(target=fail(RuntimeError("on a thread")))
            thread.start()
            thread.join()
        Unraisable()
        loop.call_soon(fail(RuntimeError("in a callback")))
        tasks = [asyncio.ensure_future(task(), loop=loop)]
        loop.call_later(0.05, tasks.clear)
        loop.call_later(0.2, loop.stop)
        loop.run_forever()
        qtbot.waitUntil(lambda: len(shown) >= 4)
    reported = [str(problem) for problem in shown]
    for where in ("on a thread", "in a finalizer", "in a callback", "in a task"):
        assert sum(where in one for one in reported) == 1, reported
    log = (tmp_path / "logs" / LOG_FILE).read_text(encoding="utf-8")
    assert log.count("RuntimeError: on a thread") == 3
    assert "in a task" in log


# every kind of task, each with an unexpected error


def draw(window: MainWindow) -> None:
    window.parameters_panel.set_prompt("a red heart")
    window.controller.generate()


def open_a_picture(window: MainWindow) -> None:
    file = window.session.store.folder / "photo.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16)).save(file)
    window.router.open_files([file])


def export(window: MainWindow) -> None:
    open_a_picture(window)
    window.project_controller.export()


def save_a_project(window: MainWindow) -> None:
    open_a_picture(window)
    window.project_controller.save_project()


def keep_for_recovery(window: MainWindow) -> None:
    open_a_picture(window)
    assert window.project_controller.recovery.flush(5)
    window.project_controller.recovery.autosave()


WORK: dict[str, tuple[str, Callable[[MainWindow], None]]] = {
    "writing a picture": ("sdxl_desktop.session.result_files.write_picture", draw),
    "finding out what was dropped": ("sdxl_desktop.ui.router.sorted_files", open_a_picture),
    "reading a picture": ("sdxl_desktop.ui.import_controller.open_first_readable", open_a_picture),
    "encoding a picture": ("PIL.Image.Image.save", draw),
    "exporting": ("sdxl_desktop.ui.document_files.save_pixels", export),
    "saving a project": ("sdxl_desktop.ui.document_files.save_project", save_a_project),
    "remembering a recent file": ("sdxl_desktop.session.recent_files.update_state", open_a_picture),
    "keeping for recovery": ("sdxl_desktop.session.document.autosave.encode_project", keep_for_recovery),
    "drawing a thumbnail": ("sdxl_desktop.ui.results_model.to_image", draw),
    "finding devices": ("sdxl_desktop.engine.fake_engine.FakeEngine.devices", lambda window: window.start()),
}
ERRORS = (ZeroDivisionError("by nothing"), AttributeError("by nothing"), RecursionError("by nothing"))


@pytest.mark.parametrize("kind", WORK)
def test_whatever_fails_in_whatever_work_is_reported_and_logged(
    make_window: MakeWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    SilencedHooks(monkeypatch)
    window = make_window()
    broken, act = WORK[kind]
    error = ERRORS[list(WORK).index(kind) % len(ERRORS)]
    for module in ("document_files", "result_actions"):
        monkeypatch.setattr(
            f"sdxl_desktop.ui.{module}.ask_save_target", lambda *asked: SaveTarget(tmp_path / "x", asked[3][0])
        )

    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(broken, fails)
    with application_log(tmp_path / "logs"), report_uncaught_errors(window):
        act(window)
        qtbot.waitUntil(lambda: "by nothing" in banner(window), timeout=5000)
        wait_until_idle(qtbot, window)
    assert next(
        b for b in window.canvas_area.banner.findChildren(QPushButton) if b.text() == "Open the log"
    ).isVisible()
    logged = (tmp_path / "logs" / LOG_FILE).read_text(encoding="utf-8")
    assert type(error).__name__ in logged
    assert "by nothing" in logged
    assert "Traceback" in logged


def test_the_log_is_opened_from_the_banner_and_the_menu(
    window: MainWindow, qtbot: QtBot, paths: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with application_log(paths.logs):
        monkeypatch.setattr("sdxl_desktop.ui.router.sorted_files", lambda _: fail(LookupError("of all things"))())
        open_a_picture(window)
    paths.engine_log.write_text("the engine's own words", encoding="utf-8")
    buttons = window.canvas_area.banner.findChildren(QPushButton)
    next(button for button in buttons if button.text() == "Open the log").click()
    (dialog,) = window.findChildren(LogDialog)
    assert "LookupError: of all things" in dialog.text()
    dialog.show_engine()
    assert dialog.text() == "the engine's own words"
    dialog.close()
    actions = [action for menu in window.menuBar().findChildren(QMenu) for action in menu.actions()]
    next(action for action in actions if "log" in action.text()).trigger()
    assert any(one.isVisible() for one in window.findChildren(LogDialog))


def test_what_a_user_can_fix_does_not_send_them_to_the_log(window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("no picture")
    window.router.open_files([tmp_path / "x.png"])
    assert window.canvas_area.banner.isVisible()
    buttons = window.canvas_area.banner.findChildren(QPushButton)
    assert not next(button for button in buttons if button.text() == "Open the log").isVisible()


def test_prompts_are_logged_only_with_the_users_leave(
    window: MainWindow, qtbot: QtBot, paths: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with application_log(paths.logs):
        for allowed in (False, True):
            window.preferences.set_value(replace(window.preferences.settings().preferences, log_prompts=allowed))
            draw(window)
            wait_until_idle(qtbot, window)
            assert "sampling.seed" in paths.log.read_text(encoding="utf-8")
            assert ("red heart" in paths.log.read_text(encoding="utf-8")) is allowed
    window.preferences.set_value(replace(window.preferences.settings().preferences, log_prompts=False))


def test_one_problem_does_not_hide_another(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for way in ("write_picture", "write_picture_without_metadata"):
        monkeypatch.setattr(result_files, way, lambda *_, **__: fail(LookupError("while writing"))())
    draw(window)
    wait_until_idle(qtbot, window)
    assert "while writing" in banner(window)
    (tmp_path / "notes.txt").write_text("x")
    window.router.open_files([tmp_path / "notes.txt"])
    assert "notes.txt" in banner(window)
    window.controller.dismiss()
    assert "while writing" in banner(window)
    assert window.canvas_area.banner.isVisible()
    window.controller.dismiss()
    assert not window.canvas_area.banner.isVisible()
