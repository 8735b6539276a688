"""Starts the window: one QApplication on one asyncio loop, first the window, then the engine."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from PySide6.QtCore import QSocketNotifier, Qt, QTimer
from PySide6.QtWidgets import QApplication
from qasync import QEventLoop

from sdxl_desktop.bridge.background import AsyncioBackgroundRunner, BackgroundRunner
from sdxl_desktop.bridge.engine_thread import EngineThread
from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.bridge.library_thread import DefaultLibraryService, LibraryService, LibraryThread
from sdxl_desktop.bridge.single_instance import FileOpenEvents, OpenRequest, SingleInstance
from sdxl_desktop.core.paths import AppPaths, resources_folder
from sdxl_desktop.engine.engine_protocol import Engine
from sdxl_desktop.engine.process.process_engine import ProcessEngine
from sdxl_desktop.session.settings_store import SettingsStore
from sdxl_desktop.ui import icons
from sdxl_desktop.ui.display_loss import exit_on_display_loss
from sdxl_desktop.ui.later_starts import LaterStarts
from sdxl_desktop.ui.main_window import MainWindow, MainWindowContext
from sdxl_desktop.ui.theme import ThemeSwitch, use_bundled_font
from sdxl_desktop.ui.uncaught_errors import report_uncaught_errors

_TERMINATION_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def run_window(
    paths: AppPaths, prompt: str | None = None, files: Sequence[Path | str] = (), *, new_window: bool = False
) -> int:
    """Show the window until it is closed; with `prompt`, start generating at once. Returns the exit code.

    If a window is already open, it gets `files` and the text of `prompt`, unless `new_window` is set.
    """
    app = create_application()
    instance = SingleInstance(paths)
    names = tuple(name if isinstance(name, str) else Path(os.path.abspath(name)) for name in files)
    request = OpenRequest(names, prompt, os.environ.get("XDG_ACTIVATION_TOKEN", ""))
    if instance.hand_over_or_listen(request, new_window=new_window):
        print("The window that is already open has it.", file=sys.stderr)
        return 0
    loop = QEventLoop(app)
    asyncio.set_event_loop(loop)
    background = AsyncioBackgroundRunner(loop)
    engine = ProcessEngine(paths)
    window = build_window(app, paths, engine, background, memory=engine.memory_bytes)
    window.closed.connect(background.close)
    window.closed.connect(loop.stop)
    window.closed.connect(instance.close)
    later = LaterStarts(window)
    for source in (instance, FileOpenEvents(app)):
        source.received.connect(later.open)
    app.commitDataRequest.connect(lambda _: window.prepare_for_shutdown(), Qt.ConnectionType.DirectConnection)
    window.show()
    QTimer.singleShot(0, window, lambda: window.start(prompt, files))
    with (
        loop,
        close_on_signals(window),
        report_uncaught_errors(window, loop=loop),
        exit_on_display_loss(engine.close),
    ):
        loop.run_forever()
    asyncio.set_event_loop(None)
    return 0


def create_application() -> QApplication:
    """Return the QApplication, named and styled except for its theme. (Fractional scaling is Qt 6's default.)"""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("sdxl-desktop")
    app.setApplicationDisplayName("SDXL Desktop")
    app.setOrganizationName("SDXL Desktop")
    app.setDesktopFileName("sdxl-desktop")
    app.setStyle("Fusion")
    app.setQuitOnLastWindowClosed(False)
    icons.register_search_path()
    use_bundled_font(app)
    app.setWindowIcon(icons.application_icon())
    return app


def build_window(
    app: QApplication,
    paths: AppPaths,
    engine: Engine,
    background: BackgroundRunner,
    *,
    memory: Callable[[], int | None] = lambda: None,
    shipped_checkpoints: Path | None = None,
    library_service: LibraryService | None = None,
) -> MainWindow:
    """Return the window for an engine that has not started, with the saved settings. `library_service` runs the
    library's jobs; the default is the library's own service."""
    store = SettingsStore(paths.settings_file)
    settings, problem = store.load()
    theme = ThemeSwitch(app)
    around = MainWindowContext(
        paths=paths,
        shipped_checkpoints=shipped_checkpoints or resources_folder() / "checkpoints",
        store=store,
        engine_thread=EngineThread(engine),
        background=background,
        theme=theme,
        history=HistoryThread(paths.history),
        library_thread=LibraryThread(library_service or DefaultLibraryService(lambda: ProcessEngine(paths))),
        engine_memory=memory,
    )
    try:
        window = MainWindow(around, settings)
    except BaseException:
        around.library_thread.close()
        around.history.close()
        around.engine_thread.close()  # Qt aborts if a running thread is destroyed
        raise
    # after building: Qt restyles a widget each time it is reparented
    theme.apply_theme(settings.preferences.theme)
    problem = problem or store.why_not_writable()
    if problem is not None:
        window.controller.show_error(problem)
    return window


@dataclass
class close_on_signals:
    """Context manager: SIGINT, SIGTERM and SIGHUP close the window without asking, since a logout waits for no
    answer."""

    window: MainWindow

    def __enter__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)
        self._previous_handlers = {
            number: signal.signal(number, self._schedule_close) for number in _TERMINATION_SIGNALS
        }
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno())
        self._notifier = QSocketNotifier(self._reader.fileno(), QSocketNotifier.Type.Read)
        self._notifier.activated.connect(self._drain_wakeup)

    def __exit__(self, *_: object) -> None:
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()

    def _schedule_close(self, _: int, __: FrameType | None) -> None:
        QTimer.singleShot(0, self.window, self.window.close_now)

    def _drain_wakeup(self) -> None:
        with suppress(BlockingIOError):
            self._reader.recv(64)  # only wakes the loop; Python now runs its signal handler
