"""A window with a fake engine, a checkpoint folder to list, and the check that nothing keeps running."""

from __future__ import annotations

import gc
import json
import os
import string
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before Qt is loaded

import pytest
import shiboken6
from PySide6.QtCore import QEvent, QObject, QThread, QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge.background import FailureCallback, Outcome, Worker
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.settings import Settings
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit, Pausing
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.session.settings_store import SettingsStore
from sdxl_desktop.ui import theme
from sdxl_desktop.ui.app import build_window, create_application
from sdxl_desktop.ui.library import library_stylesheet
from sdxl_desktop.ui.main_window import MainWindow

T = TypeVar("T")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ignore the offscreen platform's warnings about unsupported features, which are not the window's fault."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.qt_log_ignore("This plugin does not support"))


class InlineBackgroundRunner:
    """A background runner that finishes each task before it returns."""

    def __init__(self) -> None:
        self._tell: FailureCallback = lambda error: None

    def read(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: FailureCallback | None = None,
        *,
        owner: QObject | None = None,
    ) -> None:
        Outcome(task).deliver(callback, failed or self._tell, owner)

    write = read

    def set_failure_handler(self, handler: FailureCallback) -> None:
        self._tell = handler


@dataclass
class GatedEngine(FakeEngine):
    """Blocks before each run until its gate is set, so that a test sees the window during a run."""

    gate: threading.Event = field(default_factory=threading.Event)

    def generate(
        self, request: GenerationRequest, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None
    ) -> None:
        while not self.gate.wait(0.005) and not cancel.is_set():
            pass
        super().generate(request, emit, cancel, pausing)


def make_checkpoint(folder: Path, *, title: str, side: int = 64, steps: int = 3, guidance: float = 4.0) -> Path:
    """Create a folder that reads as a checkpoint of 8-pixel multiples with a letters-only tokenizer; it cannot draw."""
    for part in ("text_encoder", "text_encoder_2", "unet", "vae_decoder"):
        (folder / part).mkdir(parents=True)
        for suffix in ("xml", "bin"):
            (folder / part / f"openvino_model.{suffix}").write_text("not a network")
    card = {"title": title, "description": f"About {title}.", "steps": steps, "guidance_scale": guidance}
    for name, content in (
        ("model_index.json", {"_class_name": "StableDiffusionXLPipeline"}),
        ("unet/config.json", {"block_out_channels": [8], "sample_size": side // 8}),
        ("vae_decoder/config.json", {"block_out_channels": [8, 8, 8, 8]}),
        ("scheduler/scheduler_config.json", {"_class_name": "EulerDiscreteScheduler"}),
        ("checkpoint.json", card),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    for name in ("tokenizer", "tokenizer_2"):
        make_tokenizer(folder / name)
    return folder


def make_tokenizer(folder: Path) -> None:
    """Write CLIP's two files without merges: every letter is a token."""
    words = ["<|startoftext|>", "<|endoftext|>", *string.ascii_lowercase, *(f"{c}</w>" for c in string.ascii_lowercase)]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text("{}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Delete closed widgets now: Qt would keep them until an event loop ends, and restyle them in every later test."""
    yield
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def paths(home: Path) -> AppPaths:
    return AppPaths.from_environment()


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """The application's own checkpoints folder, with a small and a larger checkpoint."""
    make_checkpoint(tmp_path / "shipped" / "starter", title="Starter")
    make_checkpoint(tmp_path / "shipped" / "wide", title="Wide", side=128, steps=5, guidance=7.0)
    return tmp_path / "shipped"


@pytest.fixture(scope="session")
def app(qapp: QApplication) -> QApplication:
    return create_application()


@pytest.fixture
def plain_style(app: QApplication, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows without the application's style sheets, for tests of behaviour: Qt applies a sheet to a whole subtree
    each time that a widget gets another parent, which takes half of the time of building a window and its dialogs.

    Tests marked `styled` in such a module have them: those that press on a part of a control."""
    if request.node.get_closest_marker("styled") is not None:
        return
    if app.styleSheet():
        app.setStyleSheet("")  # an earlier test's
    monkeypatch.setattr(theme, "build_stylesheet", lambda colours: "")
    monkeypatch.setattr(library_stylesheet, "LIBRARY_STYLESHEET", "")


MakeWindow = Callable[..., MainWindow]


@pytest.fixture
def make_window(app: QApplication, qtbot: QtBot, paths: AppPaths, shipped: Path) -> Iterator[MakeWindow]:
    """Opens windows with a given engine; all are closed at the end."""
    windows: list[MainWindow] = []

    def make(
        engine: FakeEngine | None = None,
        *,
        settings: Settings | None = None,
        prompt: str | None = None,
        start: bool = True,
    ) -> MainWindow:
        if settings is not None:
            SettingsStore(paths.settings_file).save(settings)
        window = build_window(app, paths, engine or FakeEngine(), InlineBackgroundRunner(), shipped_checkpoints=shipped)
        windows.append(window)
        window.show()
        qtbot.waitExposed(window)
        if start:
            window.start(prompt)
        return window

    yield make
    for window in windows:
        window.close_now()
        app.processEvents()
        shiboken6.delete(window)


@pytest.fixture
def window(make_window: MakeWindow) -> MainWindow:
    return make_window()


@pytest.fixture
def drawn(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """A window that has drawn one picture."""
    window.parameters_panel.set_prompt("a red heart")
    window.controller.generate()
    wait_until_idle(qtbot, window)
    return window


def wait_until_idle(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: window.session.run is None, timeout=10_000)


def still_running() -> list[QObject]:
    """Return the running threads and workers and the active timers of this process."""
    found: list[QObject] = []
    things = gc.get_objects()
    kinds = {kind for kind in set(map(type, things)) if issubclass(kind, QThread | QTimer | Worker)}
    for thing in [thing for thing in things if type(thing) in kinds]:
        if shiboken6.isValid(thing):
            match thing:
                case QThread():
                    busy = thing.isRunning()
                case QTimer():
                    busy = thing.isActive()
                case Worker():
                    busy = not thing.wait(5)
            found += [thing] * busy
    return found


@pytest.fixture(autouse=True)
def nothing_left_running(qapp: QApplication) -> Iterator[None]:
    """Fail a test that leaves a thread running or a timer active. Set up first, so checked last."""
    yield
    left = [thing for thing in still_running() if thing is not qapp.thread()]
    assert not left, f"left running: {left}"
