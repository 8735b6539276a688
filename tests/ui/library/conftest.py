"""A window whose checkpoints come in by pretended hands, which wait until they are let go on."""

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

from sdxl_desktop.bridge.library_thread import Hands
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.fake import FakeEngine
from sdxl_desktop.formats.found import Kind
from sdxl_desktop.library.bring.bringing import Brought
from sdxl_desktop.library.bring.offers import Offer
from sdxl_desktop.library.bring.progress import BringProgress
from sdxl_desktop.library.catalogue import find
from sdxl_desktop.library.convert.forecast import Forecast
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.convert.workspace import RECORD
from sdxl_desktop.library.hub.address import parse_address
from sdxl_desktop.library.hub.errors import DownloadStoppedError
from sdxl_desktop.library.hub.files import Layout, Listing, RemoteFile
from sdxl_desktop.library.quantize.comparison import Comparison, PairFound, Side
from sdxl_desktop.library.quantize.errors import QuantizationCancelledError
from sdxl_desktop.library.scan import Library, read_checkpoint
from sdxl_desktop.session.tasks import ComparisonNote, QuantizationNote, Reduced
from sdxl_desktop.ui.app import build_window
from sdxl_desktop.ui.library.offer_sheet import OfferSheet
from sdxl_desktop.ui.library.page import LibraryPage
from sdxl_desktop.ui.main_window import MainWindow
from sdxl_desktop.ui.widgets.notices import Toast
from tests.ui.conftest import AtOnce, make_checkpoint

W = TypeVar("W", bound=QWidget)
LEFT = Qt.MouseButton.LeftButton
MB = 10**6


def forecasts(disk: int = 20 * MB) -> dict[WeightFormat | None, Forecast]:
    """For every format: half as much disk and more time from one to the next."""
    return {
        weights: Forecast(seconds=60 * 2**step, memory=200 * MB, disk=disk >> step, disk_meanwhile=disk >> step)
        for step, weights in enumerate(WeightFormat)
    }


def an_offer(what: str = "someone/tiny-xl", **changed: object) -> Offer:
    """What the hub would have of `what`: 30 MB to convert, int8 suggested."""
    entry = find(what)
    address = entry.address if entry is not None else parse_address(what)
    listing = Listing(
        repo=address.repo, commit="0" * 40, layout=Layout.DIFFUSERS, files=(RemoteFile("unet/model.bin", 30 * MB),)
    )
    offer = Offer(
        title=entry.title if entry is not None else address.name,
        name=entry.id if entry is not None else address.name,
        source=address,
        entry=entry,
        kind=Kind.CHECKPOINT,
        family=None,
        licence="mit",
        gated=False,
        download_bytes=30 * MB,
        kept_bytes=0,
        forecasts=forecasts(),
        suggested=WeightFormat.INT8,
        listing=listing,
    )
    return replace(offer, **changed)  # type: ignore[arg-type]


@dataclass
class PretendHands:
    """Answers look-ups from `offers`; brings a checkpoint that reads as one when `gate` is set, or fails with `fault`.

    `asked` lists what was looked up, `begun` and `thrown` the names of jobs.
    """

    offers: dict[str, Offer | SdxlDesktopError] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    answer: threading.Event = field(default_factory=threading.Event)
    fault: SdxlDesktopError | None = None
    file: Path | None = None
    asked: list[str] = field(default_factory=list)
    begun: list[tuple[str, WeightFormat | None]] = field(default_factory=list)
    thrown: list[str] = field(default_factory=list)
    quantized: list[QuantizationNote] = field(default_factory=list)
    compared: list[ComparisonNote] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answer.set()

    def look_up(
        self, what: str, library: Library, *, name: str | None, openvino: bool, cancel: threading.Event
    ) -> Offer:
        self.asked.append(what)
        while not self.answer.wait(0.005):
            if cancel.is_set():
                raise DownloadStoppedError("The download was stopped.")
        found = self.offers.get(what) or an_offer(what)
        if isinstance(found, SdxlDesktopError):
            raise found
        return found if name is None else replace(found, name=name)

    def bring(
        self,
        offer: Offer,
        weights: WeightFormat | None,
        library: Library,
        emit: Callable[[BringProgress], None],
        cancel: threading.Event,
        *,
        keep_download: bool,
    ) -> Brought:
        self.begun.append((offer.name, weights))
        emit(
            BringProgress(stage="downloading", what="unet/model.bin", done=1, total=4, fraction=0.25, seconds_left=240)
        )
        while not self.gate.wait(0.005):
            if cancel.is_set():
                raise DownloadStoppedError("The download was stopped.")
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        if self.file is not None:
            return Brought(checkpoint=None, path=self.file, words="It is a LoRA.")
        folder = make_checkpoint(library.own / offer.name, title=offer.title)
        return Brought(checkpoint=read_checkpoint(folder), path=folder, words="")

    def throw_away(self, name: str, source: Path | None, weights: WeightFormat | None, library: Library) -> None:
        self.thrown.append(name)

    def quantize(
        self, note: QuantizationNote, library: Library, emit: Callable[[BringProgress], None], cancel: threading.Event
    ) -> Reduced:
        self.quantized.append(note)
        emit(BringProgress(stage="compressing", what="unet", fraction=0.4, seconds_left=120))
        self._wait(cancel)
        made = make_checkpoint(library.own / note.name, title=note.name)
        about = {"source": note.source_name, "weights": note.method, "quantization": {}, "files": {}}
        (made / RECORD).write_text(json.dumps(about))
        return Reduced(checkpoint=read_checkpoint(made), bytes=10 * MB, bytes_before=20 * MB)

    def throw_quantization_away(self, note: QuantizationNote, library: Library) -> None:
        self.thrown.append(note.name)

    def compare(
        self, note: ComparisonNote, emit: Callable[[BringProgress], None], cancel: threading.Event
    ) -> Comparison:
        self.compared.append(note)
        emit(BringProgress(stage=f"drawing with {note.first.name}", what="prompt 1 of 8", fraction=0.1))
        self._wait(cancel)
        return a_comparison(note)

    def _wait(self, cancel: threading.Event) -> None:
        """For the gate, or a cancel; then the fault, if there is to be one."""
        while not self.gate.wait(0.005):
            if cancel.is_set():
                raise QuantizationCancelledError("It was stopped.")
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault


def a_comparison(note: ComparisonNote) -> Comparison:
    """What a comparison could have found: half the size, a little slower, 32 dB apart."""
    first, second = (
        Side(
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
    pair = PairFound(prompt="a fox", seed=0, psnr=32.0, mean=4.0, largest=90, mean_square=41.0)
    page = note.home / "comparison.html"
    return Comparison(first=first, second=second, settings="", request={}, pairs=(pair,), page=page)


OpenWindow = Callable[..., MainWindow]


@pytest.fixture
def hands() -> Iterator[PretendHands]:
    made = PretendHands()
    yield made
    made.gate.set()
    made.answer.set()


@pytest.fixture
def own(paths: AppPaths) -> Path:
    """The person's folder, with a checkpoint called "mine" in it."""
    make_checkpoint(paths.checkpoints / "mine", title="Mine", steps=7)
    return paths.checkpoints


@pytest.fixture
def open_window(
    app: QApplication, qtbot: QtBot, paths: AppPaths, shipped: Path, hands: PretendHands
) -> Iterator[OpenWindow]:
    """Opens windows one after another, as starts of the program; the one before is closed."""
    windows: list[MainWindow] = []

    def opened(bringing: Hands | None = None) -> MainWindow:
        if windows:
            windows[-1].leave()
        window = build_window(app, paths, FakeEngine(), AtOnce(), shipped_checkpoints=shipped, hands=bringing or hands)
        windows.append(window)
        window.show()
        qtbot.waitExposed(window)
        window.start()
        return window

    yield opened
    for window in windows:
        window.leave()
        app.processEvents()
        shiboken6.delete(window)


@pytest.fixture
def window(own: Path, open_window: OpenWindow) -> MainWindow:
    return open_window()


@pytest.fixture
def page(window: MainWindow, qtbot: QtBot) -> LibraryPage:
    """The page, opened by its key and filled."""
    window.activateWindow()
    window.desk.focus()
    qtbot.waitUntil(lambda: (focused := QApplication.focusWidget()) is not None and focused.window() is window)
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.findChild(LibraryPage) is not None)
    shown = the_page(window)
    qtbot.waitUntil(lambda: bool(shown.lines()))
    return shown


def the_page(window: MainWindow) -> LibraryPage:
    found = window.findChild(LibraryPage)
    assert found is not None, "there is no page"
    return found


def the_sheet(window: MainWindow, qtbot: QtBot) -> OfferSheet:
    """The offer sheet, once it is there."""
    qtbot.waitUntil(lambda: any(sheet.isVisible() for sheet in window.findChildren(OfferSheet)))
    return next(sheet for sheet in window.findChildren(OfferSheet) if sheet.isVisible())


def sheet_of(kind: type[W], window: MainWindow, qtbot: QtBot) -> W:
    """The sheet of that kind, once it is there."""
    qtbot.waitUntil(lambda: any(sheet.isVisible() for sheet in window.findChildren(kind)))
    return next(sheet for sheet in window.findChildren(kind) if sheet.isVisible())


def the_toast(window: MainWindow) -> Toast:
    """What is said in passing stands on the page while it is open."""
    page = window.library.verbs.page
    return page.toast if page is not None and page.isVisible() else window.stage.toast


def the_question(window: MainWindow) -> QMessageBox:
    return next(box for box in window.findChildren(QMessageBox) if box.isVisible())


def button_in(parent: QWidget, words: str) -> QPushButton:
    """The visible button that says so."""
    buttons = [button for button in parent.findChildren(QPushButton) if button.isVisible()]
    found = [button for button in buttons if button.text().replace("&", "").rstrip("…") == words]
    assert len(found) == 1, (words, [button.text() for button in buttons])
    return found[0]


def press(qtbot: QtBot, parent: QWidget, words: str) -> None:
    """Click the button that says so."""
    qtbot.mouseClick(button_in(parent, words), LEFT)


def begin(window: MainWindow, qtbot: QtBot, what: str) -> None:
    """Ask for `what` on the page, and start what is offered."""
    shown = window.library.open_page()
    qtbot.mouseClick(shown.add, LEFT)
    shown.adding.edit.setText(what)
    qtbot.keyClick(shown.adding.edit, Qt.Key.Key_Return)
    sheet = the_sheet(window, qtbot)
    qtbot.mouseClick(sheet.start, LEFT)
    qtbot.waitUntil(lambda: not window.findChildren(OfferSheet))
