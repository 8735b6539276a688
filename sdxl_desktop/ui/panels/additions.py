"""What is put on top of the checkpoint: a compact list of LoRAs and embeddings, and the choice of a VAE."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from sdxl_desktop.core.additions import Additions, EmbeddingUse, LoraUse, named_only
from sdxl_desktop.core.request import Prompts
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

    What a file is, only its content tells: `files_offered` asks somebody who can read it, and they answer with
    `add_lora`, `add_embedding` or `use_vae`. `token_wanted`: this word should go into the prompt.
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

    def additions(self, prompts: Prompts) -> Additions:
        """What a run uses: the LoRAs that are on, the embeddings whose word is in `prompts`, and the VAE.

        What is missing on disk is left out, as its line says.
        """
        self.look()
        words = " ".join((prompts.prompt, prompts.negative_prompt, prompts.prompt_2, prompts.negative_prompt_2))
        loras = (row.value() for row in self._loras if not row.missing)
        embeddings = (row.value() for row in self._embeddings if not row.missing)
        return Additions(
            loras=tuple(lora.use for lora in loras if lora.on),
            embeddings=tuple(embedding for embedding in embeddings if embedding.token in words),
            vae=None if self._vae.missing else self._vae.value(),
        )

    def reuse(self, additions: Additions) -> tuple[str, ...]:
        """Use exactly these from now on; other LoRAs stay in the list, switched off. Records name files without their
        folders: those that are listed are meant. Returns in words what is neither there nor listed. Does not emit."""
        listed, missing = self.value(), list[str]()

        def found(file: Path, what: str, known: Iterable[Path | None]) -> Path | None:
            if file.is_absolute() and (file.is_file() or (what == "VAE" and file.is_dir())):
                return file
            name = named_only(file).name
            here = next((other for other in known if other is not None and other.name == name), None)
            if here is None:
                missing.append(f"the {what} {name}")
            return here

        listed_loras = [lora.use.file for lora in listed.loras]
        loras = [(found(use.file, "LoRA", listed_loras), use) for use in additions.loras]
        listed_embeddings = [use.file for use in listed.embeddings]
        embeddings = [(found(use.file, "embedding", listed_embeddings), use) for use in additions.embeddings]
        vae = None if additions.vae is None else found(additions.vae, "VAE", [listed.vae])
        used, tokens = {file for file, _ in loras}, {use.token for file, use in embeddings if file is not None}
        self.set_value(
            AdditionsValue(
                loras=tuple(ListedLora(replace(use, file=file)) for file, use in loras if file is not None)
                + tuple(replace(lora, on=False) for lora in listed.loras if lora.use.file not in used),
                embeddings=tuple(replace(use, file=file) for file, use in embeddings if file is not None)
                + tuple(embedding for embedding in listed.embeddings if embedding.token not in tokens),
                vae=vae,
            )
        )
        return tuple(missing)

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

    def add_lora(self, file: Path) -> None:
        """Put a LoRA into the list, with weight 1; one that is there is switched on."""
        known = next((row for row in self._loras if row.value().use.file == file), None)
        if known is None:
            known = self._append_lora(ListedLora(LoraUse(file)))
        else:
            known.switch_on()
        self._newest = known
        self.section.set_open(True)
        self._moved()

    def add_embedding(self, file: Path, token: str) -> None:
        """Put an embedding into the list under `token`, or the nearest that is free; raises RequestError for a token
        that cannot be one. A file that is there stays as it is."""
        known = next((row for row in self._embeddings if row.value().file == file), None)
        self._newest = known or self._append_embedding(EmbeddingUse(file, self._free(token)))
        self.section.set_open(True)
        self._moved()

    def use_vae(self, path: Path) -> None:
        """Decode with the VAE at `path`, a file or a folder, from now on."""
        self._vae.set_value(path)
        self.section.set_open(True)
        self._moved()

    def _free(self, token: str) -> str:
        taken = {row.value().token for row in self._embeddings}
        if token not in taken:
            return token
        stem, end = (token[:-1], ">") if token.endswith(">") else (token, "")
        number = 2
        while f"{stem}-{number}{end}" in taken:
            number += 1
        return f"{stem}-{number}{end}"

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
