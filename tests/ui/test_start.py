"""Starting and stopping: no heavy imports in the window's process, closing on signals, and the leak check itself."""

from __future__ import annotations

import functools
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QThread, QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from qasync import QEventLoop

from sdxl_desktop.bridge.background import AsyncioBackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.ui.app import build_window
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.uncaught_errors import report_uncaught_errors
from tests.ui.conftest import InlineBackgroundRunner, still_running, wait_until_idle

pytestmark = pytest.mark.usefixtures("plain_style")

HEAVY = ("torch", "openvino", "diffusers", "transformers", "optimum")

WHOLE_LIFE = """
import json, sys
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.ui import app

class Pretend(FakeEngine):
    def __init__(self, paths): super().__init__()
    def memory_bytes(self): return 1

app.ProcessEngine = Pretend
app.resources_folder = lambda: Path(sys.argv[1])
seen = {}

real = app.build_window
def build(*given, **named):
    window = real(*given, **named)
    def look():
        counted = next((label.text() for label in window.findChildren(QLabel) if label.text().endswith(" / 77")), "")
        kept = window.session.results[0].saved_to if window.session.results else None
        if kept and window.session.run is None and counted:
            seen["drawn"] = str(kept)
            seen["counted"] = counted
            window.close()
    timer = QTimer(window, interval=20)
    timer.timeout.connect(look)
    window.closed.connect(timer.stop)
    timer.start()
    return window
app.build_window = build
seen["code"] = app.run_window(AppPaths.from_environment(), prompt="a fox")
seen["heavy"] = [name for name in sys.argv[2:] if name in sys.modules]
print(json.dumps(seen))
"""


def test_a_whole_life_of_the_window_never_loads_the_engines_libraries(home: Path, shipped: Path) -> None:
    (shipped.parent / "resources").mkdir()
    shipped.rename(shipped.parent / "resources" / "checkpoints")
    reported = subprocess.run(
        [sys.executable, "-W", "error", "-c", WHOLE_LIFE, str(shipped.parent / "resources"), *HEAVY],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert reported.returncode == 0, reported.stderr
    seen = json.loads(reported.stdout.splitlines()[-1])
    assert seen["heavy"] == []
    assert seen["code"] == 0
    assert Path(seen["drawn"]).is_file()
    assert seen["counted"] == "6 / 77", "four letters and two marks"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without signals")
@pytest.mark.parametrize(
    "name", ["SIGTERM", *(pytest.param(name, marks=pytest.mark.slow) for name in ("SIGINT", "SIGHUP"))]
)
def test_a_signal_closes_the_window_cleanly(home: Path, name: str) -> None:
    number = getattr(signal, name)
    script = (
        "from sdxl_desktop.ui import app; from sdxl_desktop.core.paths import AppPaths\n"
        "from sdxl_desktop.engine.fake_engine import FakeEngine\n"
        "class Pretend(FakeEngine):\n"
        "    def __init__(self, paths): super().__init__()\n"
        "    def memory_bytes(self): return None\n"
        "    def devices(self): print('awake', flush=True); return super().devices()\n"
        "app.ProcessEngine = Pretend\n"
        "raise SystemExit(app.run_window(AppPaths.from_environment()))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "awake"
        started = time.monotonic()
        child.send_signal(number)
        _, errors = child.communicate(timeout=10)
    finally:
        child.kill()
    assert child.returncode == 0, errors
    assert time.monotonic() - started < 5
    assert (home / "settings.json").is_file(), "closing kept the settings"


def test_an_uncaught_error_is_reported_in_the_window(
    window: MainWindow, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    with report_uncaught_errors(window):
        try:
            raise RuntimeError("a thing nobody thought of")
        except RuntimeError as problem:
            sys.excepthook(type(problem), problem, problem.__traceback__)
    assert sys.excepthook is sys.__excepthook__
    assert "a thing nobody thought of" in window.canvas_area.banner.accessibleName()
    assert "Traceback" in capsys.readouterr().err


def test_an_uncaught_error_on_another_thread_is_reported_on_the_windows_own(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)
    with report_uncaught_errors(window):
        problem = RuntimeError("far away")
        elsewhere = threading.Thread(target=lambda: sys.excepthook(RuntimeError, problem, None))
        elsewhere.start()
        elsewhere.join()
        assert not window.canvas_area.banner.isVisible(), "a widget may be touched on the main thread only"
        qtbot.waitUntil(window.canvas_area.banner.isVisible)
    assert "far away" in window.canvas_area.banner.accessibleName()


def test_writing_is_done_in_turn_and_answered_on_the_main_thread(app: QApplication) -> None:
    loop = QEventLoop(app)
    background = AsyncioBackgroundRunner(loop)
    seen: list[tuple[int, bool, bool]] = []
    main = threading.get_ident()

    def work(number: int) -> tuple[int, bool]:
        time.sleep(0.02 if number == 0 else 0)
        return number, threading.get_ident() == main

    def done(answer: tuple[int, bool] | SdxlDesktopError) -> None:
        assert not isinstance(answer, SdxlDesktopError)
        seen.append((*answer, threading.get_ident() == main))
        if len(seen) == 3:
            loop.stop()

    with loop:
        for number in range(3):
            background.write(functools.partial(work, number), done)
        loop.run_forever()
        background.close()
    assert seen == [(number, False, True) for number in range(3)]


def test_importing_the_window_needs_no_display() -> None:
    code = "import sdxl_desktop.ui.app; from PySide6.QtGui import QGuiApplication; print(QGuiApplication.instance())"
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment.pop("QT_QPA_PLATFORM", None)
    reported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert (reported.returncode, reported.stdout.strip()) == (0, "None"), reported.stderr


def test_the_leak_check_finds_a_thread_and_a_timer(qapp: QApplication) -> None:
    assert still_running() == []
    timer, thread = QTimer(), QThread()
    timer.start(1000)
    thread.start()
    try:
        assert {type(thing) for thing in still_running()} == {QTimer, QThread}
    finally:
        timer.stop()
        thread.quit()
        thread.wait()


def test_nothing_holds_a_window_that_was_closed(
    app: QApplication, paths: AppPaths, shipped: Path, qtbot: QtBot
) -> None:
    """Its pictures, its undo steps and its mask are freed with it."""
    window = build_window(app, paths, FakeEngine(), InlineBackgroundRunner(), shipped_checkpoints=shipped)
    window.show()
    window.start("a red heart")
    wait_until_idle(qtbot, window)
    window.library_controller.open_dialog()
    document = weakref.ref(window.document)
    window.close_now()
    app.processEvents()
    shiboken6.delete(window)
    del window
    gc.collect()
    assert document() is None
