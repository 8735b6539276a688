"""Compiled parts: the cache on disk for this computer's devices, and the ways to delete entries."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialogButtonBox, QMessageBox, QPushButton, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.engine.compile_cache import CompileCache, RuntimeVersion, openvino_version
from sdxl_desktop.engine.compile_cache_entries import CompileCacheEntry, PruneResult
from sdxl_desktop.ui.devices.data_table import DataTable, TableCell, TableColumn
from sdxl_desktop.ui.devices.device_formatting import (
    format_bytes,
    format_elapsed,
    format_entry_part,
    format_precisions,
    format_shape,
)
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel, message_box

_COLUMNS = (
    TableColumn("Checkpoint", stretch=True),
    TableColumn("Part"),
    TableColumn("Device"),
    TableColumn("Shape"),
    TableColumn("Precision"),
    TableColumn("Size", numeric=True),
    TableColumn("Last use"),
    TableColumn("State"),
)
_EXPLANATION = (
    "What was compiled for your devices is kept, so that it need not be compiled again. Nothing here is lost for good: "
    "what is removed is compiled anew when it is next needed."
)


@dataclass(frozen=True, slots=True)
class CompiledCacheContext:
    """The cache's location, its limit in gigabytes, and a function that lists all checkpoint folders."""

    store: CompileCache
    quota_gb: int
    checkpoint_folders: Callable[[], Sequence[Path]]

    def load_entries(self) -> tuple[CompileCacheEntry, ...]:
        """Return all entries with their stale reasons; reads files, so do not call it on the main thread."""
        return self.store.entries_with_stale_reasons(_runtime, self.checkpoint_folders())


class CompiledCacheDialog(FittedDialog):
    """Emits `precompile_requested` with the existing entries, and `entries_removed` after deleting some."""

    precompile_requested = Signal(object)
    entries_removed = Signal()

    def __init__(
        self, context: CompiledCacheContext, background: BackgroundRunner, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compiled parts")
        self._context = context
        self._background = background
        self._entries: tuple[CompileCacheEntry, ...] = ()
        self._is_open = True
        self._table = DataTable("Compiled parts", _COLUMNS, selectable=True)
        self._total_label, self._status_label = PlainTextLabel("Looking…"), muted_label("", wrap=True)
        self._remove_selected_button, self._remove_stale_button = (
            QPushButton("Remove selected"),
            QPushButton("Remove stale"),
        )
        self._remove_all_button, self._precompile_button = QPushButton("Remove all…"), QPushButton("Prepare sizes…")
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        actions = row()
        for button in (
            self._remove_selected_button,
            self._remove_stale_button,
            self._remove_all_button,
            self._precompile_button,
        ):
            button.setAutoDefault(False)
        for button in (self._remove_selected_button, self._remove_stale_button, self._remove_all_button):
            actions.addWidget(button)
        actions.addStretch(1)
        ends = row(self._precompile_button)
        ends.addStretch(1)
        ends.addWidget(self._buttons)
        whole = column(
            muted_label(_EXPLANATION, wrap=True),
            self._table,
            self._total_label,
            actions,
            self._status_label,
            ends,
            spacing=12,
            margins=(24, 16, 24, 16),
        )
        whole.setStretch(1, 1)
        self._status_label.hide()
        self.setLayout(whole)
        self.resize(960, 520)

    def _connect(self) -> None:
        self._table.itemSelectionChanged.connect(self._update_buttons)
        self._remove_selected_button.clicked.connect(lambda: self._remove(self.selected_entries()))
        self._remove_stale_button.clicked.connect(lambda: self._remove(self._stale_entries()))
        self._remove_all_button.clicked.connect(self._confirm_remove_all)
        self._precompile_button.clicked.connect(lambda: self.precompile_requested.emit(self._entries))
        self._buttons.rejected.connect(self.reject)
        self.finished.connect(self._mark_closed)

    def _mark_closed(self) -> None:
        self._is_open = False

    def set_precompile_enabled(self, allowed: bool) -> None:
        """Set whether there is a checkpoint that can be precompiled."""
        self._precompile_button.setEnabled(allowed)

    # entries

    def refresh(self) -> None:
        """Read the entries again."""
        self._background.read(self._context.load_entries, self._show_entries, self._show_problem)

    def _show_problem(self, problem: SdxlDesktopError) -> None:
        if self._is_open:
            self._total_label.setText(str(problem))

    def _show_entries(self, entries: tuple[CompileCacheEntry, ...]) -> None:
        if not self._is_open:
            return
        self._entries = entries
        now = time.time()
        self._table.set_rows([_entry_cells(entry, now) for entry in entries])
        total = sum(entry.size_bytes for entry in entries)
        quota = f"{format_bytes(total)} of {self._context.quota_gb} GB"
        self._total_label.setText(f"{quota} are taken. Beyond that, what was used longest ago goes first.")
        if not entries:
            self._total_label.setText(f"Nothing is compiled yet. It may take {self._context.quota_gb} GB.")
        self._update_buttons()

    def selected_entries(self) -> tuple[CompileCacheEntry, ...]:
        """Return the selected entries."""
        return tuple(self._entries[line] for line in self._table.selected_rows())

    def _stale_entries(self) -> tuple[CompileCacheEntry, ...]:
        return tuple(entry for entry in self._entries if entry.stale_reason is not None)

    def _update_buttons(self) -> None:
        self._remove_selected_button.setEnabled(bool(self.selected_entries()))
        self._remove_stale_button.setEnabled(bool(self._stale_entries()))
        self._remove_all_button.setEnabled(bool(self._entries))

    # removing

    def _confirm_remove_all(self) -> None:
        total = format_bytes(sum(entry.size_bytes for entry in self._entries))
        buttons = QMessageBox.StandardButton
        box = message_box(
            self,
            "Remove all",
            f"Remove all {len(self._entries)} compiled parts, {total}?",
            "The next picture of every checkpoint waits until its parts are compiled again.",
            buttons.Yes | buttons.Cancel,
        )
        box.button(buttons.Yes).setText("Remove all")
        box.setDefaultButton(buttons.Cancel)
        box.finished.connect(lambda code: self._remove(self._entries) if code == buttons.Yes.value else None)
        box.open()

    def _remove(self, entries: Sequence[CompileCacheEntry]) -> None:
        for button in (self._remove_selected_button, self._remove_stale_button, self._remove_all_button):
            button.setEnabled(False)
        self._background.write(lambda: self._context.store.remove(entries), self._handle_removed, self._tell_problem)

    def _tell_problem(self, problem: SdxlDesktopError) -> None:
        if not self._is_open:
            return
        self._status_label.setText(str(problem))
        self._status_label.show()
        self.refresh()

    def _handle_removed(self, pruned: PruneResult) -> None:
        if not self._is_open:
            return
        held = f" {len(pruned.remaining)} in use were left." if pruned.remaining else ""
        self._status_label.setText(f"{format_bytes(pruned.freed_bytes)} are free again.{held}")
        self._status_label.show()
        self.entries_removed.emit()
        self.refresh()


def _entry_cells(entry: CompileCacheEntry, now: float) -> list[TableCell]:
    stale = "" if entry.stale_reason is None else entry.stale_reason.label
    state = "In use" if entry.in_use else "Stale" if stale else ""
    return [
        TableCell(", ".join(entry.checkpoints) or "–"),
        TableCell(format_entry_part(entry)),
        TableCell(entry.device or "–"),
        TableCell(format_shape(entry.shape)),
        TableCell(format_precisions(entry.precisions)),
        TableCell(format_bytes(entry.size_bytes)),
        TableCell(format_elapsed(now - entry.last_used)),
        TableCell(state, tooltip=f"It can never be of use again: {stale}." if stale else ""),
    ]


def _runtime(_: str) -> RuntimeVersion:
    """Return only OpenVINO's version, without importing it; an engine also checks the driver when it compiles."""
    return RuntimeVersion(openvino_version(), driver="")
