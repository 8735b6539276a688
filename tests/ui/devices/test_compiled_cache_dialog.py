"""The compiled cache dialog lists and removes entries, and precompiles while the window is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QAbstractButton, QApplication, QMessageBox, QPushButton, QTableWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge.background import FailureCallback
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import FIXED_SHAPES_VARIABLE
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.compile_cache import CompileCache
from sdxl_desktop.engine.process.benchmark_process import PrecompileSizesJob
from sdxl_desktop.ui.devices.compiled_cache_dialog import CompiledCacheContext, CompiledCacheDialog
from sdxl_desktop.ui.devices.precompile_dialog import PrecompileDialog
from sdxl_desktop.ui.devices.precompile_job import PrecompileJob
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.settings_dialog import SettingsContext, SettingsDialog
from tests.ui.conftest import InlineBackgroundRunner
from tests.ui.devices.conftest import Keep, WorkerSays
from tests.ui.widget_lookup import find_child, label_texts

pytestmark = pytest.mark.usefixtures("plain_style")

PREPARES = """
from sdxl_desktop.engine.compile_cache_entries import CompileCacheEntry
from sdxl_desktop.engine.device_benchmark import PrecompileResult
from pathlib import Path
say(JobEvent(Progress(phase=Phase.COMPILING, detail="unet", fraction=0.25, seconds_left=40.0)))
parts = ("unet", "vae_decoder")
made = [CompileCacheEntry(folder=Path("/x"), part=part, content_id="1", size_bytes=1, last_used=0) for part in parts]
say(JobResult(PrecompileResult(tuple(made), 12.5, True)))
"""
NOTHING = """
from sdxl_desktop.engine.device_benchmark import PrecompileResult
say(JobResult(PrecompileResult((), 0.1, False)))
"""
NOT_KEPT = NOTHING.replace("False", "False, is_cached=False")
COMPILED = Path("/compiled")
T = TypeVar("T")


@pytest.fixture
def opened(app: QApplication, qtbot: QtBot, store: CompileCache) -> Callable[[], CompiledCacheDialog]:
    def open_() -> CompiledCacheDialog:
        dialog = CompiledCacheDialog(CompiledCacheContext(store, 20, list), InlineBackgroundRunner())
        qtbot.addWidget(dialog)
        dialog.show()
        return dialog

    return open_


def button(dialog: CompiledCacheDialog | PrecompileDialog, words: str) -> QPushButton:
    return next(each for each in dialog.findChildren(QPushButton) if each.text() == words)


def size_switch(dialog: PrecompileDialog, size: str) -> QAbstractButton:
    return next(each for each in dialog.findChildren(QAbstractButton) if size in each.text())


def table_texts(dialog: CompiledCacheDialog) -> list[list[str]]:
    table = find_child(dialog, QTableWidget)
    cells = [[table.item(line, column) for column in range(table.columnCount())] for line in range(table.rowCount())]
    return [["" if cell is None else cell.text() for cell in line] for line in cells]


def test_everything_is_listed(opened: Callable[[], CompiledCacheDialog], keep: Keep) -> None:
    keep("unet", "128x64", device="NPU")
    keep("vae_decoder")
    rows = sorted(table_texts(opened()))
    assert [row[:5] for row in rows] == [
        ["wide", "UNet", "NPU", "128 × 64", "automatic"],
        ["wide", "VAE decoder", "CPU", "every size", "automatic"],
    ]
    assert [row[6:] for row in rows] == [["just now", ""]] * 2
    assert all(row[5].endswith("kB") or row[5].endswith("MB") for row in rows)


def test_the_selected_ones_go(opened: Callable[[], CompiledCacheDialog], keep: Keep, store: CompileCache) -> None:
    for part in ("unet", "vae_decoder", "text_encoder"):
        keep(part)
    dialog = opened()
    assert not button(dialog, "Remove selected").isEnabled()
    line = next(line for line, row in enumerate(table_texts(dialog)) if row[1] == "VAE decoder")
    find_child(dialog, QTableWidget).selectRow(line)
    button(dialog, "Remove selected").click()
    assert {entry.part for entry in store.entries()} == {"unet", "text_encoder"}
    assert len(table_texts(dialog)) == 2
    assert "free again" in label_texts(dialog)


def test_only_the_stale_ones_go(opened: Callable[[], CompiledCacheDialog], keep: Keep, store: CompileCache) -> None:
    keep("unet", stale=True)
    keep("vae_decoder")
    dialog = opened()
    assert sorted(row[7] for row in table_texts(dialog)) == ["", "Stale"]
    button(dialog, "Remove stale").click()
    assert {entry.part for entry in store.entries()} == {"vae_decoder"}
    assert not button(dialog, "Remove stale").isEnabled()


@pytest.mark.parametrize("sure", [True, False])
def test_all_go_after_a_question(
    sure: bool, opened: Callable[[], CompiledCacheDialog], keep: Keep, store: CompileCache
) -> None:
    keep("unet")
    keep("vae_decoder")
    dialog = opened()
    button(dialog, "Remove all…").click()
    question = dialog.findChild(QMessageBox)
    assert question is not None
    kinds = QMessageBox.StandardButton
    question.button(kinds.Yes if sure else kinds.Cancel).click()
    assert len(store.entries()) == (0 if sure else 2)


def test_what_an_engine_holds_stays(opened: Callable[[], CompiledCacheDialog], keep: Keep, store: CompileCache) -> None:
    from sdxl_desktop.engine import in_use_markers

    keep("unet")
    in_use_markers.create_marker(store.entries()[0].folder)
    dialog = opened()
    assert table_texts(dialog)[0][7] == "In use"
    find_child(dialog, QTableWidget).selectRow(0)
    button(dialog, "Remove selected").click()
    assert len(store.entries()) == 1
    assert "1 in use" in label_texts(dialog)


# precompiling


def open_precompile_dialog(
    qtbot: QtBot, checkpoint: Checkpoint, store: CompileCache, preparing: PrecompileJob
) -> PrecompileDialog:
    dialog = PrecompileDialog(checkpoint, Execution(), store.entries(), preparing)
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def test_where_one_compile_serves_every_size_the_page_says_so(
    app: QApplication, qtbot: QtBot, checkpoint: Checkpoint, store: CompileCache, keep: Keep, worker_says: WorkerSays
) -> None:
    keep("unet", seconds=30.0)
    keep("vae_decoder", seconds=12.0)
    jobs = worker_says(PREPARES)
    preparing = PrecompileJob(COMPILED)
    dialog = open_precompile_dialog(qtbot, checkpoint, store, preparing)
    assert "serves every size" in label_texts(dialog)
    assert "about 42 s" in label_texts(dialog)
    button(dialog, "Prepare").click()
    qtbot.waitUntil(lambda: not preparing.status.running, timeout=10_000)
    assert preparing.status.text == "Compiled 2 parts of Wide in 12.5 s."
    speeds = tuple(speed for speed in SpeedPreset if speed is not SpeedPreset.EXACT)
    assert jobs() == [PrecompileSizesJob(checkpoint.folder, Execution(), (Size(128, 128),), speeds)]


def test_sizes_are_chosen_where_each_is_compiled_by_itself(
    app: QApplication,
    qtbot: QtBot,
    checkpoint: Checkpoint,
    store: CompileCache,
    keep: Keep,
    worker_says: WorkerSays,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(FIXED_SHAPES_VARIABLE, "CPU")
    keep("unet", "144x112", seconds=20.0)
    preparing = PrecompileJob(COMPILED)
    dialog = open_precompile_dialog(qtbot, checkpoint, store, preparing)
    assert dialog.sizes() == (Size(128, 128),)
    prepared = [switch.text() for switch in dialog.findChildren(QAbstractButton) if "prepared" in switch.text()]
    assert [text.split(" · ")[1].split("  ")[0] for text in prepared] == ["144 × 112"]
    size_switch(dialog, "112 × 144").click()
    next(each for each in dialog.findChildren(QAbstractButton) if "speed Exact" in each.text()).click()
    assert dialog.sizes() == (Size(128, 128), Size(112, 144))
    assert "about 80 s" in label_texts(dialog), "two sizes, in two forms"
    jobs = worker_says(PREPARES)
    button(dialog, "Prepare").click()
    qtbot.waitUntil(lambda: len(jobs()) == 1, timeout=10_000)
    assert jobs()[0].sizes == (Size(128, 128), Size(112, 144))
    assert jobs()[0].speeds == tuple(SpeedPreset)
    preparing.stop()
    for words_there in ("128 × 128", "112 × 144"):
        size_switch(dialog, words_there).setChecked(False)
    assert not button(dialog, "Prepare").isEnabled()


def test_it_continues_when_the_dialogs_are_closed_and_the_window_tells_when_it_is_done(
    window: MainWindow, qtbot: QtBot, worker_says: WorkerSays
) -> None:
    worker_says(PREPARES)
    settings = window.open_settings()
    compiled = settings.open_compiled_cache()
    button(compiled, "Prepare sizes…").click()
    dialog = compiled.findChild(PrecompileDialog)
    assert dialog is not None
    button(dialog, "Prepare").click()
    for each in (dialog, compiled, settings):
        each.close()
    assert window.precompile_job.status.running
    qtbot.waitUntil(lambda: not window.precompile_job.status.running, timeout=10_000)
    assert "Compiled 2 parts" in window.precompile_job.status.text


def test_closing_the_window_ends_it(window: MainWindow, qtbot: QtBot, worker_says: WorkerSays) -> None:
    jobs = worker_says("time.sleep(60)")
    checkpoint = window.parameters_panel.checkpoint()
    assert checkpoint is not None
    before = psutil.Process().children()
    window.precompile_job.start(checkpoint, [Size(64, 64)], [SpeedPreset.EXACT], Execution())
    qtbot.waitUntil(lambda: len(jobs()) == 1, timeout=10_000)
    (worker,) = set(psutil.Process().children()).difference(before)
    window.close()
    assert not window.precompile_job.status.running
    assert not psutil.pid_exists(worker.pid)


@pytest.mark.parametrize(("script", "words"), [(NOTHING, "compiled already"), (NOT_KEPT, "could not be kept")])
def test_an_answer_without_parts_says_why(
    script: str, words: str, app: QApplication, qtbot: QtBot, checkpoint: Checkpoint, worker_says: WorkerSays
) -> None:
    worker_says(script)
    preparing = PrecompileJob(COMPILED)
    preparing.start(checkpoint, [Size(64, 64)], [SpeedPreset.EXACT], Execution())
    qtbot.waitUntil(lambda: words in preparing.status.text, timeout=10_000)


class CountingBackgroundRunner(InlineBackgroundRunner):
    """Counts its reads."""

    def __init__(self) -> None:
        super().__init__()
        self.read_count = 0

    def read(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: FailureCallback | None = None,
        *,
        owner: QObject | None = None,
    ) -> None:
        self.read_count += 1
        super().read(task, callback, failed, owner=owner)


def test_what_is_compiled_is_looked_at_once_when_preparing_is_done(
    app: QApplication, qtbot: QtBot, checkpoint: Checkpoint, paths: AppPaths
) -> None:
    background, preparing = CountingBackgroundRunner(), PrecompileJob(COMPILED)
    settings = SettingsDialog(Preferences(), SettingsContext((), paths, checkpoint, background, preparing))
    qtbot.addWidget(settings)
    dialog = settings.open_compiled_cache()
    for _ in range(2):
        button(dialog, "Prepare sizes…").click()
        find_child(dialog, PrecompileDialog).reject()
    before = background.read_count
    preparing.finished.emit()
    assert background.read_count == before + 1
