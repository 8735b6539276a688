"""What is put on top of the checkpoint: a compact list of LoRAs and embeddings, and the choice of a VAE."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from sdxl_desktop.core.additions import EmbeddingUse
from sdxl_desktop.core.settings import AdditionsValue, ListedLora
from sdxl_desktop.formats.weight_files import EMBEDDING_ENDINGS
from sdxl_desktop.imaging.formats import dialog_filter
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.addition_rows import EmbeddingRow, LoraRow
from sdxl_desktop.ui.panels.section import Section
from sdxl_desktop.ui.panels.vae import VaePanel
from sdxl_desktop.ui.widgets.layout import column, labelled, muted

_FILTER = dialog_filter("LoRAs, embeddings and VAEs", EMBEDDING_ENDINGS)


class AdditionsPanel(QWidget):
    """Edits `AdditionsValue`.

    What a file is, only its content tells: `files_offered` asks somebody who can read it, and they put it
    into the value. `token_wanted`: this word should go into the prompt.
    """

    changed = Signal()
    files_offered = Signal(object)
    """tuple[Path, ...]"""
    token_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._loras: list[LoraRow] = []
        self._embeddings: list[EmbeddingRow] = []
        self._newest: LoraRow | EmbeddingRow | None = None
        self._list = column(spacing=4)
        self._hint = muted(glossary.DROP_HERE, wrap=True)
        self._add = QPushButton("Add files…")
        self._vae = VaePanel()
        self.section = Section("L&oRA, embeddings, VAE", self._inside(), tip=glossary.ADDITIONS)
        self.setLayout(column(self.section))
        self.setAcceptDrops(True)
        self._add.clicked.connect(self._ask_for_files)
        self._vae.changed.connect(self._moved)
        self._show()

    def _inside(self) -> QWidget:
        self._add.setToolTip(glossary.ADD_FILE)
        inside = QWidget()
        whole = QVBoxLayout(inside)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(8)
        whole.addWidget(self._hint)
        whole.addLayout(self._list)
        whole.addWidget(self._add)
        whole.addLayout(labelled("VAE", self._vae, tip=glossary.VAE))
        return inside

    # the value

    def value(self) -> AdditionsValue:
        return AdditionsValue(
            loras=tuple(row.value() for row in self._loras),
            embeddings=tuple(row.value() for row in self._embeddings),
            vae=self._vae.value(),
        )

    def set_value(self, value: AdditionsValue) -> None:
        with QSignalBlocker(self):
            for row in self._rows():
                self._discard(row)
            self._loras.clear()
            self._embeddings.clear()
            for lora in value.loras:
                self._append_lora(lora)
            for embedding in value.embeddings:
                self._append_embedding(embedding)
            self._vae.set_value(value.vae)
            self._show()

    def look(self) -> None:
        """See which files are there."""
        for row in self._rows():
            row.look()
        self._vae.look()
        self._show()

    def _rows(self) -> list[LoraRow | EmbeddingRow]:
        return [*self._loras, *self._embeddings]

    # adding and removing

    def last_row(self) -> QWidget | None:
        """The line of what was added last; None where it is gone."""
        return self._newest if self._newest in self._rows() else None

    def show_lora(self, file: Path) -> None:
        """The LoRA in `file` was added: its line is the newest."""
        self._newest = next((row for row in self._loras if row.value().use.file == file), None)
        self.section.set_open(True)

    def show_embedding(self, file: Path) -> None:
        """The embedding in `file` was added: its line is the newest."""
        self._newest = next((row for row in self._embeddings if row.value().file == file), None)
        self.section.set_open(True)

    def _append_lora(self, lora: ListedLora) -> LoraRow:
        row = LoraRow(lora)
        row.changed.connect(self._moved)
        row.remove_wanted.connect(lambda: self._remove(row))
        self._list.insertWidget(len(self._loras), row)
        self._loras.append(row)
        return row

    def _append_embedding(self, embedding: EmbeddingUse) -> EmbeddingRow:
        row = EmbeddingRow(embedding)
        row.token_clicked.connect(self.token_wanted)
        row.remove_wanted.connect(lambda: self._remove(row))
        self._list.addWidget(row)
        self._embeddings.append(row)
        return row

    def _remove(self, row: LoraRow | EmbeddingRow) -> None:
        if isinstance(row, LoraRow):
            self._loras.remove(row)
        else:
            self._embeddings.remove(row)
        self._discard(row)
        self._add.setFocus()
        self._moved()

    def _discard(self, row: QWidget) -> None:
        self._list.removeWidget(row)
        row.hide()
        row.setParent(None)
        row.deleteLater()

    # files from outside

    def _ask_for_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Add LoRAs, embeddings or a VAE", "", _FILTER)
        self._offer(tuple(Path(file) for file in chosen))

    def dragEnterEvent(self, drag: QDragEnterEvent) -> None:
        if weight_files(drag):
            drag.acceptProposedAction()
            self._hint.setText(glossary.LET_GO)
            self._hint.show()

    def dragLeaveEvent(self, drag: QDragLeaveEvent) -> None:
        super().dragLeaveEvent(drag)
        self._show()

    def dropEvent(self, drop: QDropEvent) -> None:
        drop.acceptProposedAction()
        self._show()
        self._offer(weight_files(drop))

    def _offer(self, files: tuple[Path, ...]) -> None:
        if files:
            self.files_offered.emit(files)

    # showing

    def _moved(self) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        self._hint.setText(glossary.DROP_HERE)
        self._hint.setVisible(not self._loras and not self._embeddings)
        self.section.set_summary(self._summary())

    def _summary(self) -> str:
        on = sum(row.value().on and not row.missing for row in self._loras)
        embeddings = sum(not row.missing for row in self._embeddings)
        missing = sum(row.missing for row in self._rows()) + self._vae.missing
        vae = self._vae.value()
        words = [f"{on} LoRA{'s' * (on != 1)}"] if on else []
        words += [f"{embeddings} embedding{'s' * (embeddings != 1)}"] if embeddings else []
        words += [f"VAE {vae.name}"] if vae is not None and not self._vae.missing else []
        words += [f"{missing} missing"] if missing else []
        return " · ".join(words)


def weight_files(drop: QDropEvent) -> tuple[Path, ...]:
    """The files in what is dragged that may be LoRAs, embeddings or VAEs."""
    files = (Path(url.toLocalFile()) for url in drop.mimeData().urls() if url.isLocalFile())
    return tuple(file for file in files if file.suffix.lower() in EMBEDDING_ENDINGS)
