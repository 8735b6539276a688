"""The device benchmark: measures every part on every device, shows a table, and offers the fastest."""

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
    GROUP_LABELS,
    PART_GROUPS,
    DeviceTimings,
    PartTiming,
    best_devices,
    read_timings,
    timings_file,
)
from sdxl_desktop.engine.process.benchmark_process import ProcessDeviceBenchmark
from sdxl_desktop.ui.devices.data_table import DataTable, TableCell, TableColumn
from sdxl_desktop.ui.devices.device_formatting import format_part
from sdxl_desktop.ui.devices.stoppable_work import StoppableWork
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

_COLUMNS = (
    TableColumn("Part"),
    TableColumn("Device"),
    TableColumn("One call", numeric=True),
    TableColumn("Ready the first time", numeric=True),
    TableColumn("What the device said", stretch=True),
)
_EXPLANATION = (
    "Runs each part of {title} on each device by itself, at the size it is made for. Parts that were never compiled "
    "for a device are compiled first, which can take minutes. Nothing else should be busy meanwhile."
)
_SINGLE_DEVICE_NOTE = " There is one device here, so there is nothing to choose; the times are still worth knowing."


class BestDevicesDialog(FittedDialog):
    """Emits `devices_selected` with a device name for each of text, UNet and VAE, as `engine.device_times` calls
    them."""

    devices_selected = Signal(object)

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
        self._device_table: DeviceTimings | None = None
        self._explanation_label = muted_label(self._explanation(devices), wrap=True)
        self._table = DataTable("What was measured", _COLUMNS)
        self._progress, self._status_label = QProgressBar(), muted_label("", wrap=True)
        self._best_label = PlainTextLabel()
        self._measure_button, self._use_button = QPushButton("Measure"), QPushButton("Use these")
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._lay_out()
        self._connect()
        self._show_table(read_timings(timings_file(paths)))
        self._set_running(False)
        self._set_status("")

    def _explanation(self, devices: Sequence[Device]) -> str:
        if self._checkpoint is None:
            return "There is no checkpoint to measure with yet."
        return _EXPLANATION.format(title=self._checkpoint.title) + (_SINGLE_DEVICE_NOTE if len(devices) == 1 else "")

    def _lay_out(self) -> None:
        self._progress.setTextVisible(False)
        self._best_label.setWordWrap(True)
        for button in (self._measure_button, self._use_button):
            button.setAutoDefault(False)
        self._use_button.setProperty("role", "primary")
        actions = row(self._measure_button, self._use_button)
        actions.addStretch(1)
        actions.addWidget(self._buttons)
        whole = column(
            self._explanation_label,
            self._table,
            self._best_label,
            self._progress,
            self._status_label,
            actions,
            spacing=12,
            margins=(24, 16, 24, 16),
        )
        whole.setStretch(1, 1)
        self.setLayout(whole)
        self.resize(720, 480)

    def _connect(self) -> None:
        self._measure_button.clicked.connect(self._start_or_stop)
        self._use_button.clicked.connect(self._accept_best)
        self._buttons.rejected.connect(self.reject)
        self._work.progressed.connect(self._show_progress)
        self._work.done.connect(self._handle_result)
        self._work.failed.connect(self._show_failure)
        self.finished.connect(self._work.stop)

    # measuring

    def _start_or_stop(self) -> None:
        if self._work.running:
            self._work.stop()
            self._set_running(False)
            self._set_status("Stopped. The table is the last one that was finished.")
        elif self._checkpoint is not None:
            self._set_running(True)
            self._set_status("Starting…")
            folder, size = self._checkpoint.folder.absolute(), self._checkpoint.recommended.size
            names, execution = self._names, self._execution
            self._work.start(
                lambda emit, cancel: ProcessDeviceBenchmark().measure(folder, size, names, execution, emit, cancel)
            )

    def _show_progress(self, progress: Progress) -> None:
        self._set_status(f"{progress.description.replace('_', ' ')}…")
        self._progress.setRange(0, 0 if progress.fraction is None else 1000)
        self._progress.setValue(round(1000 * (progress.fraction or 0)))

    def _handle_result(self, table: DeviceTimings) -> None:
        self._set_running(False)
        self._set_status("")
        self._show_table(table)

    def _show_failure(self, problem: SdxlDesktopError) -> None:
        self._set_running(False)
        self._set_status(str(problem))

    def _set_status(self, text: str) -> None:
        self._status_label.setText(text)
        self._status_label.setVisible(bool(text))

    def _set_running(self, working: bool) -> None:
        self._measure_button.setText("Stop" if working else "Measure again" if self._device_table else "Measure")
        self._measure_button.setEnabled(self._checkpoint is not None)
        self._progress.setVisible(working)
        self._progress.setRange(0, 0)
        self._use_button.setEnabled(not working and self._device_table is not None)

    # the table

    def _show_table(self, table: DeviceTimings | None) -> None:
        self._device_table = table
        self._use_button.setEnabled(table is not None)
        if table is None:
            self._best_label.setText("Nothing was measured on this computer yet.")
            return
        best = best_devices(table)
        self._table.set_rows([_row_cells(row, best) for row in sorted(table.rows, key=_sort_key)])
        fastest = ", ".join(f"{GROUP_LABELS[group]} on {device}" for group, device in best.items())
        size = table.size.replace("x", " × ")
        words = (
            f"Fastest with {table.checkpoint} at {size}: {fastest}." if fastest else "No device could run all of it."
        )
        self._best_label.setText(words)

    def _accept_best(self) -> None:
        if self._device_table is not None:
            self.devices_selected.emit(best_devices(self._device_table))
            self.accept()

    def keyPressEvent(self, event: Any) -> None:
        if event.key() == Qt.Key.Key_Escape and self._work.running:
            self._start_or_stop()
            return
        super().keyPressEvent(event)


_PART_ORDER = [part for parts in PART_GROUPS.values() for part in parts]


def _sort_key(row: PartTiming) -> tuple[int, str]:
    return (_PART_ORDER.index(row.part) if row.part in _PART_ORDER else len(_PART_ORDER), row.device)


def _row_cells(row: PartTiming, best: dict[str, str]) -> list[TableCell]:
    group = next((name for name, parts in PART_GROUPS.items() if row.part in parts), "")
    strong = row.milliseconds is not None and best.get(group) == row.device
    call = "–" if row.milliseconds is None else f"{row.milliseconds:.1f} ms"
    ready = "–" if row.first_seconds is None else f"{row.first_seconds:.1f} s"
    how = "" if row.milliseconds is None else "Compiled now" if row.compiled else "Was compiled before"
    outcome = row.problem or how
    return [
        TableCell(format_part(row.part), bold=strong),
        TableCell(row.device, bold=strong),
        TableCell(call, bold=strong),
        TableCell(ready),
        TableCell(outcome, tooltip=row.problem),
    ]
