"""Compiled parts: what is kept on disk for this computer's devices, and the ways to be rid of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialogButtonBox, QMessageBox, QPushButton, QWidget

from sdxl_desktop.bridge.background import Background
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.engine.compiled_entries import Entry, Pruned
from sdxl_desktop.engine.compiled_store import CompiledStore, Runtime, openvino_version
from sdxl_desktop.ui.devices.table import Cell, Column, Table
from sdxl_desktop.ui.devices.words import ago_words, bytes_words, entry_part, precision_words, shape_words
from sdxl_desktop.ui.widgets.dialog import Dialog
from sdxl_desktop.ui.widgets.layout import column, muted, row
from sdxl_desktop.ui.widgets.plain import PlainLabel, message_box

_COLUMNS = (
    Column("Checkpoint", wide=True),
    Column("Part"),
    Column("Device"),
    Column("Shape"),
    Column("Precision"),
    Column("Size", number=True),
    Column("Last use"),
    Column("State"),
)
_WORDS = (
    "What was compiled for your devices is kept, so that it need not be compiled again. Nothing here is lost for good: "
    "what is removed is compiled anew when it is next needed."
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Where it is kept, how many gigabytes it may take, and a look at every checkpoint folder there is."""

    store: CompiledStore
    quota_gb: int
    library: Callable[[], Sequence[Path]]

    def entries(self) -> tuple[Entry, ...]:
        """Everything, judged; reads files, so not for the main thread."""
        return self.store.judged(_runtime, self.library())


class CompiledDialog(Dialog):
    """Emits `prepare_wanted` with the entries there are, and `removed` when some have gone."""

    prepare_wanted = Signal(object)
    removed = Signal()

    def __init__(self, kept: Kept, background: Background, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compiled parts")
        self._kept = kept
        self._background = background
        self._entries: tuple[Entry, ...] = ()
        self._alive = True
        self._table = Table("Compiled parts", _COLUMNS, choosing=True)
        self._total, self._told = PlainLabel("Looking…"), muted("", wrap=True)
        self._selected, self._stale = QPushButton("Remove selected"), QPushButton("Remove stale")
        self._all, self._prepare = QPushButton("Remove all…"), QPushButton("Prepare sizes…")
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        actions = row()
        for button in (self._selected, self._stale, self._all, self._prepare):
            button.setAutoDefault(False)
        for button in (self._selected, self._stale, self._all):
            actions.addWidget(button)
        actions.addStretch(1)
        ends = row(self._prepare)
        ends.addStretch(1)
        ends.addWidget(self._buttons)
        whole = column(
            muted(_WORDS, wrap=True),
            self._table,
            self._total,
            actions,
            self._told,
            ends,
            spacing=12,
            margins=(24, 16, 24, 16),
        )
        whole.setStretch(1, 1)
        self._told.hide()
        self.setLayout(whole)
        self.resize(960, 520)

    def _connect(self) -> None:
        self._table.itemSelectionChanged.connect(self._enable)
        self._selected.clicked.connect(lambda: self._remove(self.chosen()))
        self._stale.clicked.connect(lambda: self._remove(self._of_no_use()))
        self._all.clicked.connect(self._ask_for_all)
        self._prepare.clicked.connect(lambda: self.prepare_wanted.emit(self._entries))
        self._buttons.rejected.connect(self.reject)
        self.finished.connect(self._forget)

    def _forget(self) -> None:
        self._alive = False

    def allow_preparing(self, allowed: bool) -> None:
        """There is a checkpoint that could be prepared."""
        self._prepare.setEnabled(allowed)

    # what there is

    def refresh(self) -> None:
        """Look again."""
        self._background.run(self._kept.entries, self._show, self._show_problem)

    def _show_problem(self, problem: SdxlDesktopError) -> None:
        if self._alive:
            self._total.setText(str(problem))

    def _show(self, entries: tuple[Entry, ...]) -> None:
        if not self._alive:
            return
        self._entries = entries
        now = time.time()
        self._table.show_rows([_cells(entry, now) for entry in entries])
        total = sum(entry.bytes for entry in entries)
        quota = f"{bytes_words(total)} of {self._kept.quota_gb} GB"
        self._total.setText(f"{quota} are taken. Beyond that, what was used longest ago goes first.")
        if not entries:
            self._total.setText(f"Nothing is compiled yet. It may take {self._kept.quota_gb} GB.")
        self._enable()

    def chosen(self) -> tuple[Entry, ...]:
        """The entries that are selected."""
        return tuple(self._entries[line] for line in self._table.chosen_rows())

    def _of_no_use(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self._entries if entry.stale is not None)

    def _enable(self) -> None:
        self._selected.setEnabled(bool(self.chosen()))
        self._stale.setEnabled(bool(self._of_no_use()))
        self._all.setEnabled(bool(self._entries))

    # removing

    def _ask_for_all(self) -> None:
        total = bytes_words(sum(entry.bytes for entry in self._entries))
        buttons = QMessageBox.StandardButton
        asking = message_box(
            self,
            "Remove all",
            f"Remove all {len(self._entries)} compiled parts, {total}?",
            "The next picture of every checkpoint waits until its parts are compiled again.",
            buttons.Yes | buttons.Cancel,
        )
        asking.button(buttons.Yes).setText("Remove all")
        asking.setDefaultButton(buttons.Cancel)
        asking.finished.connect(lambda code: self._remove(self._entries) if code == buttons.Yes.value else None)
        asking.open()

    def _remove(self, entries: Sequence[Entry]) -> None:
        for button in (self._selected, self._stale, self._all):
            button.setEnabled(False)
        self._background.write(lambda: self._kept.store.remove(entries), self._tell, self._tell_problem)

    def _tell_problem(self, problem: SdxlDesktopError) -> None:
        if not self._alive:
            return
        self._told.setText(str(problem))
        self._told.show()
        self.refresh()

    def _tell(self, pruned: Pruned) -> None:
        if not self._alive:
            return
        held = f" {len(pruned.kept)} in use were left." if pruned.kept else ""
        self._told.setText(f"{bytes_words(pruned.freed)} are free again.{held}")
        self._told.show()
        self.removed.emit()
        self.refresh()


def _cells(entry: Entry, now: float) -> list[Cell]:
    stale = "" if entry.stale is None else entry.stale.label
    state = "In use" if entry.in_use else "Stale" if stale else ""
    return [
        Cell(", ".join(entry.checkpoints) or "–"),
        Cell(entry_part(entry)),
        Cell(entry.device or "–"),
        Cell(shape_words(entry.shape)),
        Cell(precision_words(entry.precisions)),
        Cell(bytes_words(entry.bytes)),
        Cell(ago_words(now - entry.last_used)),
        Cell(state, tip=f"It can never be of use again: {stale}." if stale else ""),
    ]


def _runtime(_: str) -> Runtime:
    """Without importing OpenVINO its version alone is known; an engine also looks at the driver when it compiles."""
    return Runtime(openvino_version(), driver="")
