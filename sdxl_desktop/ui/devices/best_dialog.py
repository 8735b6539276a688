"""Find the best: every part measured on every device, in a table, and the fastest to take over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialogButtonBox, QProgressBar, QPushButton, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import Progress
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution
from sdxl_desktop.engine.device_times import (
    GROUPS,
    TITLES,
    DeviceTable,
    PartOnDevice,
    best_devices,
    read_table,
    table_file,
)
from sdxl_desktop.engine.process.workbench import ProcessWorkbench
from sdxl_desktop.ui.devices.table import Cell, Column, Table
from sdxl_desktop.ui.devices.words import part_words
from sdxl_desktop.ui.devices.work import StoppableWork
from sdxl_desktop.ui.widgets.dialog import Dialog
from sdxl_desktop.ui.widgets.layout import column, muted, row
from sdxl_desktop.ui.widgets.plain import PlainLabel

_COLUMNS = (
    Column("Part"),
    Column("Device"),
    Column("One call", number=True),
    Column("Ready the first time", number=True),
    Column("What the device said", wide=True),
)
_WORDS = (
    "Runs each part of {title} on each device by itself, at the size it is made for. Parts that were never compiled "
    "for a device are compiled first, which can take minutes. Nothing else should be busy meanwhile."
)
_ONE = " There is one device here, so there is nothing to choose; the times are still worth knowing."


class BestDevicesDialog(Dialog):
    """Emits `chosen` with a device's name for each of text, UNet and VAE, as `engine.device_times` calls them."""

    chosen = Signal(object)

    def __init__(
        self,
        checkpoint: Checkpoint | None,
        devices: Sequence[Device],
        execution: Execution,
        paths: AppPaths,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Find the best devices")
        self._checkpoint = checkpoint
        self._names = [device.name for device in devices]
        self._execution = execution
        self._work = StoppableWork(self)
        self._measured: DeviceTable | None = None
        self._words = muted(self._explained(devices), wrap=True)
        self._table = Table("What was measured", _COLUMNS)
        self._progress, self._doing = QProgressBar(), muted("", wrap=True)
        self._best = PlainLabel()
        self._measure, self._use = QPushButton("Measure"), QPushButton("Use these")
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._lay_out()
        self._connect()
        self._show(read_table(table_file(paths)))
        self._show_working(False)
        self._do("")

    def _explained(self, devices: Sequence[Device]) -> str:
        if self._checkpoint is None:
            return "There is no checkpoint to measure with yet."
        return _WORDS.format(title=self._checkpoint.title) + (_ONE if len(devices) == 1 else "")

    def _lay_out(self) -> None:
        self._progress.setTextVisible(False)
        self._best.setWordWrap(True)
        for button in (self._measure, self._use):
            button.setAutoDefault(False)
        self._use.setProperty("role", "primary")
        actions = row(self._measure, self._use)
        actions.addStretch(1)
        actions.addWidget(self._buttons)
        whole = column(
            self._words,
            self._table,
            self._best,
            self._progress,
            self._doing,
            actions,
            spacing=12,
            margins=(24, 16, 24, 16),
        )
        whole.setStretch(1, 1)
        self.setLayout(whole)
        self.resize(720, 480)

    def _connect(self) -> None:
        self._measure.clicked.connect(self._start_or_stop)
        self._use.clicked.connect(self._choose)
        self._buttons.rejected.connect(self.reject)
        self._work.progressed.connect(self._show_progress)
        self._work.done.connect(self._take)
        self._work.failed.connect(self._fail)
        self.finished.connect(self._work.stop)

    # measuring

    def _start_or_stop(self) -> None:
        if self._work.running:
            self._work.stop()
            self._show_working(False)
            self._do("Stopped. The table is the last one that was finished.")
        elif self._checkpoint is not None:
            self._show_working(True)
            self._do("Starting…")
            folder, size = self._checkpoint.folder.absolute(), self._checkpoint.recommended.size
            names, execution = self._names, self._execution
            self._work.start(
                lambda emit, cancel: ProcessWorkbench().measure(folder, size, names, execution, emit, cancel)
            )

    def _show_progress(self, progress: Progress) -> None:
        self._do(f"{progress.words.replace('_', ' ')}…")
        self._progress.setRange(0, 0 if progress.fraction is None else 1000)
        self._progress.setValue(round(1000 * (progress.fraction or 0)))

    def _take(self, table: DeviceTable) -> None:
        self._show_working(False)
        self._do("")
        self._show(table)

    def _fail(self, problem: SdxlDesktopError) -> None:
        self._show_working(False)
        self._do(str(problem))

    def _do(self, words: str) -> None:
        self._doing.setText(words)
        self._doing.setVisible(bool(words))

    def _show_working(self, working: bool) -> None:
        self._measure.setText("Stop" if working else "Measure again" if self._measured else "Measure")
        self._measure.setEnabled(self._checkpoint is not None)
        self._progress.setVisible(working)
        self._progress.setRange(0, 0)
        self._use.setEnabled(not working and self._measured is not None)

    # the table

    def _show(self, table: DeviceTable | None) -> None:
        self._measured = table
        self._use.setEnabled(table is not None)
        if table is None:
            self._best.setText("Nothing was measured on this computer yet.")
            return
        best = best_devices(table)
        self._table.show_rows([_cells(row, best) for row in sorted(table.rows, key=_order)])
        fastest = ", ".join(f"{TITLES[group]} on {device}" for group, device in best.items())
        size = table.size.replace("x", " × ")
        words = (
            f"Fastest with {table.checkpoint} at {size}: {fastest}." if fastest else "No device could run all of it."
        )
        self._best.setText(words)

    def _choose(self) -> None:
        if self._measured is not None:
            self.chosen.emit(best_devices(self._measured))
            self.accept()

    def keyPressEvent(self, event: Any) -> None:
        if event.key() == Qt.Key.Key_Escape and self._work.running:
            self._start_or_stop()
            return
        super().keyPressEvent(event)


_ORDER = [part for parts in GROUPS.values() for part in parts]


def _order(row: PartOnDevice) -> tuple[int, str]:
    return (_ORDER.index(row.part) if row.part in _ORDER else len(_ORDER), row.device)


def _cells(row: PartOnDevice, best: dict[str, str]) -> list[Cell]:
    group = next((name for name, parts in GROUPS.items() if row.part in parts), "")
    strong = row.milliseconds is not None and best.get(group) == row.device
    call = "–" if row.milliseconds is None else f"{row.milliseconds:.1f} ms"
    ready = "–" if row.first_seconds is None else f"{row.first_seconds:.1f} s"
    how = "" if row.milliseconds is None else "Compiled now" if row.compiled else "Was compiled before"
    said = row.problem or how
    return [
        Cell(part_words(row.part), strong=strong),
        Cell(row.device, strong=strong),
        Cell(call, strong=strong),
        Cell(ready),
        Cell(said, tip=row.problem),
    ]
