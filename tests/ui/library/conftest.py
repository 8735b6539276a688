"""A window with a fake library service, whose imports wait until a test lets them finish."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge.library_thread import LibraryService
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.formats.detected_model import ModelKind
from sdxl_desktop.library.catalogue import find_entry
from sdxl_desktop.library.convert.build_folder import RECORD_FILE
from sdxl_desktop.library.convert.resource_estimate import ResourceEstimate
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.hub_address import parse_address
from sdxl_desktop.library.hub.hub_errors import DownloadCancelledError
from sdxl_desktop.library.hub.remote_files import DownloadLayout, HubListing, RemoteFile
from sdxl_desktop.library.importer.import_preview import ImportPreview
from sdxl_desktop.library.importer.import_progress import ImportProgress
from sdxl_desktop.library.importer.importing import ImportResult
from sdxl_desktop.library.quantize.comparison_result import CheckpointComparison, ComparedCheckpoint, PairDifference
from sdxl_desktop.library.quantize.quantization_errors import QuantizationCancelledError
from sdxl_desktop.library.scan import Library, read_checkpoint
from sdxl_desktop.session.checkpoint_jobs import ComparisonJobSpec, QuantizationJobSpec, QuantizationResult
from sdxl_desktop.ui.app import build_window
from sdxl_desktop.ui.library.import_dialog import ImportDialog
from sdxl_desktop.ui.library.library_dialog import LibraryDialog
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.widgets.notices import Toast
from tests.ui.conftest import InlineBackgroundRunner, make_checkpoint

W = TypeVar("W", bound=QWidget)
LEFT = Qt.MouseButton.LeftButton
MB = 10**6


def forecasts(disk: int = 20 * MB) -> dict[WeightFormat | None, ResourceEstimate]:
    """Return an estimate for every format: each next one takes half the disk and more time."""
    return {
        weights: ResourceEstimate(seconds=60 * 2**step, memory=200 * MB, disk=disk >> step, disk_meanwhile=disk >> step)
        for step, weights in enumerate(WeightFormat)
    }


def make_preview(what: str = "someone/tiny-xl", **changed: object) -> ImportPreview:
    """Return a preview of `what` as the hub would give it: 30 MB to convert, int8 suggested."""
    entry = find_entry(what)
    address = entry.address if entry is not None else parse_address(what)
    listing = HubListing(
        repo=address.repo,
        commit="0" * 40,
        layout=DownloadLayout.DIFFUSERS,
        files=(RemoteFile("unet/model.bin", 30 * MB),),
    )
    offer = ImportPreview(
        title=entry.title if entry is not None else address.name,
        name=entry.id if entry is not None else address.name,
        source=address,
        entry=entry,
        kind=ModelKind.CHECKPOINT,
        family=None,
        licence="mit",
        gated=False,
        download_bytes=30 * MB,
        downloaded_bytes=0,
        estimates=forecasts(),
        suggested_format=WeightFormat.INT8,
        listing=listing,
    )
    return replace(offer, **changed)  # type: ignore[arg-type]


@dataclass
class FakeLibraryService:
    """Resolves queries from `previews`; imports a fake checkpoint once `may_finish` is set, or raises `error`.

    `queries` lists the resolved queries, `started_imports` and `cleaned_up` the names of jobs.
    """

    previews: dict[str, ImportPreview | SdxlDesktopError] = field(default_factory=dict)
    may_finish: threading.Event = field(default_factory=threading.Event)
    may_resolve: threading.Event = field(default_factory=threading.Event)
    error: SdxlDesktopError | None = None
    file: Path | None = None
    queries: list[str] = field(default_factory=list)
    started_imports: list[tuple[str, WeightFormat | None]] = field(default_factory=list)
    cleaned_up: list[str] = field(default_factory=list)
    quantized: list[QuantizationJobSpec] = field(default_factory=list)
    compared: list[ComparisonJobSpec] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.may_resolve.set()

    def resolve(
        self, query: str, library: Library, *, name: str | None, openvino: bool, cancel: threading.Event
    ) -> ImportPreview:
        self.queries.append(query)
        while not self.may_resolve.wait(0.005):
            if cancel.is_set():
                raise DownloadCancelledError("The download was stopped.")
        found = self.previews.get(query) or make_preview(query)
        if isinstance(found, SdxlDesktopError):
            raise found
        return found if name is None else replace(found, name=name)

    def run_import(
        self,
        preview: ImportPreview,
        weights: WeightFormat | None,
        library: Library,
        on_progress: Callable[[ImportProgress], None],
        cancel: threading.Event,
        *,
        keep_download: bool,
    ) -> ImportResult:
        self.started_imports.append((preview.name, weights))
        on_progress(
            ImportProgress(stage="downloading", what="unet/model.bin", done=1, total=4, fraction=0.25, seconds_left=240)
        )
        while not self.may_finish.wait(0.005):
            if cancel.is_set():
                raise DownloadCancelledError("The download was stopped.")
        if self.error is not None:
            fault, self.error = self.error, None
            raise fault
        if self.file is not None:
            return ImportResult(checkpoint=None, path=self.file, message="It is a LoRA.")
        folder = make_checkpoint(library.user_folder / preview.name, title=preview.title)
        return ImportResult(checkpoint=read_checkpoint(folder), path=folder, message="")

    def clean_up_import(self, name: str, source: Path | None, weights: WeightFormat | None, library: Library) -> None:
        self.cleaned_up.append(name)

    def quantize(
        self,
        note: QuantizationJobSpec,
        library: Library,
        on_progress: Callable[[ImportProgress], None],
        cancel: threading.Event,
    ) -> QuantizationResult:
        self.quantized.append(note)
        on_progress(ImportProgress(stage="compressing", what="unet", fraction=0.4, seconds_left=120))
        self._wait(cancel)
        made = make_checkpoint(library.user_folder / note.name, title=note.name)
        about = {"source": note.source_name, "weights": note.method, "quantization": {}, "files": {}}
        (made / RECORD_FILE).write_text(json.dumps(about))
        return QuantizationResult(checkpoint=read_checkpoint(made), bytes=10 * MB, bytes_before=20 * MB)

    def clean_up_quantization(self, note: QuantizationJobSpec, library: Library) -> None:
        self.cleaned_up.append(note.name)

    def compare(
        self, note: ComparisonJobSpec, on_progress: Callable[[ImportProgress], None], cancel: threading.Event
    ) -> CheckpointComparison:
        self.compared.append(note)
        on_progress(ImportProgress(stage=f"drawing with {note.first.name}", what="prompt 1 of 8", fraction=0.1))
        self._wait(cancel)
        return make_comparison(note)

    def _wait(self, cancel: threading.Event) -> None:
        """Wait for `may_finish` or a cancel; then raise the error, if there is one."""
        while not self.may_finish.wait(0.005):
            if cancel.is_set():
                raise QuantizationCancelledError("It was stopped.")
        if self.error is not None:
            fault, self.error = self.error, None
            raise fault


def make_comparison(note: ComparisonJobSpec) -> CheckpointComparison:
    """Return a possible result of a comparison: half the size, a little slower, 32 dB apart."""
    first, second = (
        ComparedCheckpoint(
            name=folder.name,
            title=folder.name,
            folder=str(folder),
            weights=weights,
            bytes=size * MB,
            seconds_per_step=seconds,
            memory_drawing=memory * MB,
            memory=memory * MB,
        )
        for folder, weights, size, seconds, memory in (
            (note.first, "fp16", 20, 1.25, 300),
            (note.second, "int8", 10, 1.5, 200),
        )
    )
    pair = PairDifference(prompt="a fox", seed=0, psnr=32.0, mean=4.0, largest=90, mean_square=41.0)
    page = note.report_folder / "comparison.html"
    return CheckpointComparison(first=first, second=second, settings="", request={}, pairs=(pair,), page=page)


OpenWindow = Callable[..., MainWindow]


@pytest.fixture
def library_service() -> Iterator[FakeLibraryService]:
    made = FakeLibraryService()
    yield made
    made.may_finish.set()
    made.may_resolve.set()


@pytest.fixture
def own(paths: AppPaths) -> Path:
    """The user folder, with a checkpoint called "mine" in it."""
    make_checkpoint(paths.checkpoints / "mine", title="Mine", steps=7)
    return paths.checkpoints


@pytest.fixture
def open_window(
    app: QApplication, qtbot: QtBot, paths: AppPaths, shipped: Path, library_service: FakeLibraryService
) -> Iterator[OpenWindow]:
    """Opens windows one after another, as starts of the program; the previous one is closed."""
    windows: list[MainWindow] = []

    def opened(bringing: LibraryService | None = None) -> MainWindow:
        if windows:
            windows[-1].close_now()
        window = build_window(
            app,
            paths,
            FakeEngine(),
            InlineBackgroundRunner(),
            shipped_checkpoints=shipped,
            library_service=bringing or library_service,
        )
        windows.append(window)
        window.show()
        qtbot.waitExposed(window)
        window.start()
        return window

    yield opened
    for window in windows:
        window.close_now()
        app.processEvents()
        shiboken6.delete(window)


@pytest.fixture
def window(own: Path, open_window: OpenWindow) -> MainWindow:
    return open_window()


@pytest.fixture
def page(window: MainWindow, qtbot: QtBot) -> LibraryDialog:
    """The library dialog, opened by its shortcut and filled."""
    window.activateWindow()
    window.parameters_panel.focus_prompt()
    qtbot.waitUntil(lambda: (focused := QApplication.focusWidget()) is not None and focused.window() is window)
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.findChild(LibraryDialog) is not None)
    shown = current_dialog(window)
    qtbot.waitUntil(lambda: bool(shown.row_texts()))
    return shown


def current_dialog(window: MainWindow) -> LibraryDialog:
    found = window.findChild(LibraryDialog)
    assert found is not None, "there is no page"
    return found


def current_import_dialog(window: MainWindow, qtbot: QtBot) -> ImportDialog:
    """Return the import dialog, once it is visible."""
    qtbot.waitUntil(lambda: any(dialog.isVisible() for dialog in window.findChildren(ImportDialog)))
    return next(dialog for dialog in window.findChildren(ImportDialog) if dialog.isVisible())


def current_dialog_of(kind: type[W], window: MainWindow, qtbot: QtBot) -> W:
    """Return the dialog of that kind, once it is visible."""
    qtbot.waitUntil(lambda: any(dialog.isVisible() for dialog in window.findChildren(kind)))
    return next(dialog for dialog in window.findChildren(kind) if dialog.isVisible())


def current_toast(window: MainWindow) -> Toast:
    """Return the visible toast: the library dialog's while it is open."""
    page = window.library_controller.actions.dialog
    return page.toast if page is not None and page.isVisible() else window.canvas_area.toast


def current_question(window: MainWindow) -> QMessageBox:
    return next(box for box in window.findChildren(QMessageBox) if box.isVisible())


def button_in(parent: QWidget, words: str) -> QPushButton:
    """Return the visible button with this text."""
    buttons = [button for button in parent.findChildren(QPushButton) if button.isVisible()]
    found = [button for button in buttons if button.text().replace("&", "").rstrip("…") == words]
    assert len(found) == 1, (words, [button.text() for button in buttons])
    return found[0]


def press(qtbot: QtBot, parent: QWidget, words: str) -> None:
    """Click the button with this text."""
    qtbot.mouseClick(button_in(parent, words), LEFT)


def start_import(window: MainWindow, qtbot: QtBot, what: str) -> None:
    """Enter `what` in the library dialog, and start the import."""
    shown = window.library_controller.open_dialog()
    qtbot.mouseClick(shown.add_button, LEFT)
    shown.add_panel.query_edit.setText(what)
    qtbot.keyClick(shown.add_panel.query_edit, Qt.Key.Key_Return)
    dialog = current_import_dialog(window, qtbot)
    qtbot.mouseClick(dialog.start_button, LEFT)
    qtbot.waitUntil(lambda: not window.findChildren(ImportDialog))
