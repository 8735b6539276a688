"""One line of the additions list: a LoRA with its switch and weight, or an embedding with its word."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from sdxl_desktop.core.additions import MAX_LORA_WEIGHT, EmbeddingUse, LoraUse
from sdxl_desktop.core.settings import ListedLora
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.exact import ExactNumber
from sdxl_desktop.ui.widgets.buttons import IconButton, Switch, dressed
from sdxl_desktop.ui.widgets.fields import RealField, SlidNumber
from sdxl_desktop.ui.widgets.layout import ElidedLabel, column, row
from sdxl_desktop.ui.widgets.plain import plain_action, plain_tip

_USUAL_WEIGHT = 2.0
_STEP = 0.05
_SWITCH_WIDTH = 44


class _Weight(SlidNumber):
    """A weight: the slider goes from -2 to 2, the number over all that is allowed."""

    def __init__(self, name: str) -> None:
        super().__init__(RealField(name, -MAX_LORA_WEIGHT, MAX_LORA_WEIGHT, _STEP, 2), _USUAL_WEIGHT)
        with QSignalBlocker(self._slider):
            self._slider.setRange(-round(_USUAL_WEIGHT / _STEP), round(_USUAL_WEIGHT / _STEP))
            self._slider.setPageStep(round(0.5 / _STEP))
        self._show_on_slider()
        self.set_tip(glossary.LORA_WEIGHT)


class _FileName(ElidedLabel):
    """A file's name without its suffix, which says when the file is gone."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.missing = False
        self.look()

    def look(self) -> None:
        """See whether the file is there."""
        self.missing = not self._file.is_file()
        self.setText(f"{self._file.stem} (missing)" if self.missing else self._file.stem)
        gone = "This file is missing, so it is left out: " if self.missing else ""
        self.setToolTip(plain_tip(f"{gone}{self._file}"))
        self.setProperty("role", "muted" if self.missing else "")
        self.style().unpolish(self)
        self.style().polish(self)


class LoraRow(QWidget):
    """Edits `ListedLora`."""

    changed = Signal()
    remove_wanted = Signal()

    def __init__(self, lora: ListedLora) -> None:
        super().__init__()
        name = lora.use.file.stem
        self._file = lora.use.file
        self._on = Switch()
        self._name = _FileName(self._file)
        self._weight = _Weight(f"Weight of {name}")
        self._exact = ExactNumber(self._weight, 2)
        self._remove = IconButton("close", f"Remove {name}")
        self._on.setAccessibleName(f"Use {name}")
        self._on.setToolTip(glossary.LORA_ON)
        head = row(self._on)
        head.addWidget(self._name, 1)
        head.addWidget(self._remove)
        self.setLayout(column(head, row(self._weight, margins=(_SWITCH_WIDTH, 0, 0, 0)), spacing=0))
        self._on.setChecked(lora.on)
        self._exact.set_value(lora.use.weight)
        self.look()
        self._on.toggled.connect(self._moved)
        self._weight.changed.connect(self._moved)
        self._remove.clicked.connect(self.remove_wanted)

    @property
    def missing(self) -> bool:
        return self._name.missing

    def value(self) -> ListedLora:
        return ListedLora(LoraUse(self._file, self._exact.value()), self._on.isChecked())

    def look(self) -> None:
        """See whether the file is there."""
        self._name.look()
        self._show()

    def _show(self) -> None:
        self._on.setEnabled(not self.missing)
        self._weight.setEnabled(self._on.isChecked() and not self.missing)

    def switch_on(self) -> None:
        self._on.setChecked(True)

    def _moved(self) -> None:
        self._show()
        self.changed.emit()


class EmbeddingRow(QWidget):
    """Shows an `EmbeddingUse`; a click on its word wants that in the prompt."""

    token_clicked = Signal(str)
    remove_wanted = Signal()

    def __init__(self, embedding: EmbeddingUse) -> None:
        super().__init__()
        self._embedding = embedding
        self._name = _FileName(embedding.file)
        self._token = dressed(QPushButton(), "link")
        self._remove = IconButton("close", f"Remove {embedding.file.stem}")
        words = self._token.fontMetrics().elidedText(embedding.token, Qt.TextElideMode.ElideRight, 140)
        self._token.setText(plain_action(words))
        self._token.setAccessibleName(f"Write {embedding.token} into the prompt")
        self._token.setToolTip(plain_tip(f"{embedding.token}\n{glossary.EMBEDDING_TOKEN}"))
        line = row(spacing=8)
        line.addWidget(self._name, 1)
        line.addWidget(self._token)
        line.addWidget(self._remove)
        self.setLayout(line)
        self.look()
        self._token.clicked.connect(lambda: self.token_clicked.emit(embedding.token))
        self._remove.clicked.connect(self.remove_wanted)

    @property
    def missing(self) -> bool:
        return self._name.missing

    def value(self) -> EmbeddingUse:
        return self._embedding

    def look(self) -> None:
        """See whether the file is there."""
        self._name.look()
