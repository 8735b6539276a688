"""The adapters of the checkpoint: a compact list of LoRAs and embeddings, and the choice of a VAE."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from sdxl_desktop.core.additions import EmbeddingReference
from sdxl_desktop.core.workspace_value import AdditionsPanelState, LoraListItem
from sdxl_desktop.formats.weight_variants import EMBEDDING_ENDINGS
from sdxl_desktop.imaging.picture_formats import dialog_filter
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.panels.adapter_rows import EmbeddingRow, LoraRow
from sdxl_desktop.ui.panels.panel_section import PanelSection
from sdxl_desktop.ui.panels.vae_panel import VaePanel
from sdxl_desktop.ui.widgets.layout_helpers import column, labelled_row, muted_label

_FILTER = dialog_filter("LoRAs, embeddings and VAEs", EMBEDDING_ENDINGS)


class AdaptersPanel(QWidget):
    """Edits `AdditionsPanelState`.

    Only a file's content tells its kind: the receiver of `files_added` reads the files and adds them to the value.
    `insert_token_requested`: the token should be inserted into the prompt.
    """

    changed = Signal()
    files_added = Signal(object)
    """tuple[Path, ...]"""
    insert_token_requested = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._loras: list[LoraRow] = []
        self._embeddings: list[EmbeddingRow] = []
        self._last_added: LoraRow | EmbeddingRow | None = None
        self._row_layout = column(spacing=4)
        self._empty_label = muted_label(tooltips.DROP_HERE, wrap=True)
        self._add_button = QPushButton("Add files…")
        self._vae_panel = VaePanel()
        self.section = PanelSection("L&oRA, embeddings, VAE", self._create_content(), tooltip=tooltips.ADDITIONS)
        self.setLayout(column(self.section))
        self.setAcceptDrops(True)
        self._add_button.clicked.connect(self._choose_files)
        self._vae_panel.changed.connect(self._handle_change)
        self._refresh()

    def _create_content(self) -> QWidget:
        self._add_button.setToolTip(tooltips.ADD_FILE)
        inside = QWidget()
        whole = QVBoxLayout(inside)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(8)
        whole.addWidget(self._empty_label)
        whole.addLayout(self._row_layout)
        whole.addWidget(self._add_button)
        whole.addLayout(labelled_row("VAE", self._vae_panel, tooltip=tooltips.VAE))
        return inside

    # value

    def value(self) -> AdditionsPanelState:
        return AdditionsPanelState(
            loras=tuple(row.value() for row in self._loras),
            embeddings=tuple(row.value() for row in self._embeddings),
            vae=self._vae_panel.value(),
        )

    def set_value(self, value: AdditionsPanelState) -> None:
        with QSignalBlocker(self):
            for row in self._rows():
                self._delete_row(row)
            self._loras.clear()
            self._embeddings.clear()
            for lora in value.loras:
                self._append_lora(lora)
            for embedding in value.embeddings:
                self._append_embedding(embedding)
            self._vae_panel.set_value(value.vae)
            self._refresh()

    def check_files(self) -> None:
        """Check which files exist."""
        for row in self._rows():
            row.check_file()
        self._vae_panel.check_path()
        self._refresh()

    def _rows(self) -> list[LoraRow | EmbeddingRow]:
        return [*self._loras, *self._embeddings]

    # adding and removing

    def last_added_row(self) -> QWidget | None:
        """Return the row that was added last; None if it has been removed."""
        return self._last_added if self._last_added in self._rows() else None

    def show_lora(self, file: Path) -> None:
        """Note that the LoRA in `file` was added last."""
        self._last_added = next((row for row in self._loras if row.value().use.file == file), None)
        self.section.set_open(True)

    def show_embedding(self, file: Path) -> None:
        """Note that the embedding in `file` was added last."""
        self._last_added = next((row for row in self._embeddings if row.value().file == file), None)
        self.section.set_open(True)

    def _append_lora(self, lora: LoraListItem) -> LoraRow:
        row = LoraRow(lora)
        row.changed.connect(self._handle_change)
        row.remove_requested.connect(lambda: self._remove(row))
        self._row_layout.insertWidget(len(self._loras), row)
        self._loras.append(row)
        return row

    def _append_embedding(self, embedding: EmbeddingReference) -> EmbeddingRow:
        row = EmbeddingRow(embedding)
        row.token_clicked.connect(self.insert_token_requested)
        row.remove_requested.connect(lambda: self._remove(row))
        self._row_layout.addWidget(row)
        self._embeddings.append(row)
        return row

    def _remove(self, row: LoraRow | EmbeddingRow) -> None:
        if isinstance(row, LoraRow):
            self._loras.remove(row)
        else:
            self._embeddings.remove(row)
        self._delete_row(row)
        self._add_button.setFocus()
        self._handle_change()

    def _delete_row(self, row: QWidget) -> None:
        self._row_layout.removeWidget(row)
        row.hide()
        row.setParent(None)
        row.deleteLater()

    # dropped files

    def _choose_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Add LoRAs, embeddings or a VAE", "", _FILTER)
        self._emit_files(tuple(Path(file) for file in chosen))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_weight_files(event):
            event.acceptProposedAction()
            self._empty_label.setText(tooltips.LET_GO)
            self._empty_label.show()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        super().dragLeaveEvent(event)
        self._refresh()

    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        self._refresh()
        self._emit_files(dropped_weight_files(event))

    def _emit_files(self, files: tuple[Path, ...]) -> None:
        if files:
            self.files_added.emit(files)

    # display

    def _handle_change(self) -> None:
        self._refresh()
        self.changed.emit()

    def _refresh(self) -> None:
        self._empty_label.setText(tooltips.DROP_HERE)
        self._empty_label.setVisible(not self._loras and not self._embeddings)
        self.section.set_summary(self._summary())

    def _summary(self) -> str:
        on = sum(row.value().on and not row.missing for row in self._loras)
        embeddings = sum(not row.missing for row in self._embeddings)
        missing = sum(row.missing for row in self._rows()) + self._vae_panel.missing
        vae = self._vae_panel.value()
        words = [f"{on} LoRA{'s' * (on != 1)}"] if on else []
        words += [f"{embeddings} embedding{'s' * (embeddings != 1)}"] if embeddings else []
        words += [f"VAE {vae.name}"] if vae is not None and not self._vae_panel.missing else []
        words += [f"{missing} missing"] if missing else []
        return " · ".join(words)


def dropped_weight_files(event: QDropEvent) -> tuple[Path, ...]:
    """Return the dragged files that may be LoRAs, embeddings or VAEs."""
    files = (Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile())
    return tuple(file for file in files if file.suffix.lower() in EMBEDDING_ENDINGS)
