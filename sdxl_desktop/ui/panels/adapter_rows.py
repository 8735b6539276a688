"""One row of the adapter list: a LoRA with its switch and weight, or an embedding with its token."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from sdxl_desktop.core.additions import MAX_LORA_WEIGHT, EmbeddingReference, LoraReference
from sdxl_desktop.core.workspace_value import LoraListItem
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.panels.exact_number import ExactNumber
from sdxl_desktop.ui.widgets.buttons import IconButton, Switch, with_role
from sdxl_desktop.ui.widgets.fields import FloatField, SliderField
from sdxl_desktop.ui.widgets.layout_helpers import ElidedLabel, column, row
from sdxl_desktop.ui.widgets.plain_text import escape_mnemonic, plain_text_tooltip

_SLIDER_MAX_WEIGHT = 2.0
_STEP = 0.05
_SWITCH_WIDTH = 44


class _LoraWeightField(SliderField):
    """A LoRA's weight: the slider covers -2 to 2, the number field the whole allowed range."""

    def __init__(self, name: str) -> None:
        super().__init__(FloatField(name, -MAX_LORA_WEIGHT, MAX_LORA_WEIGHT, _STEP, 2), _SLIDER_MAX_WEIGHT)
        with QSignalBlocker(self._slider):
            self._slider.setRange(-round(_SLIDER_MAX_WEIGHT / _STEP), round(_SLIDER_MAX_WEIGHT / _STEP))
            self._slider.setPageStep(round(0.5 / _STEP))
        self._sync_slider()
        self.set_tooltip(tooltips.LORA_WEIGHT)


class _FileNameLabel(ElidedLabel):
    """Shows a file's name without its suffix, and whether the file is missing."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.missing = False
        self.check_file()

    def check_file(self) -> None:
        """Check whether the file exists."""
        self.missing = not self._file.is_file()
        self.setText(f"{self._file.stem} (missing)" if self.missing else self._file.stem)
        gone = "This file is missing, so it is left out: " if self.missing else ""
        self.setToolTip(plain_text_tooltip(f"{gone}{self._file}"))
        self.setProperty("role", "muted" if self.missing else "")
        self.style().unpolish(self)
        self.style().polish(self)


class LoraRow(QWidget):
    """Edits `LoraListItem`."""

    changed = Signal()
    remove_requested = Signal()

    def __init__(self, lora: LoraListItem) -> None:
        super().__init__()
        name = lora.use.file.stem
        self._file, self._text_weight = lora.use.file, lora.use.text_weight
        self._switch = Switch()
        self._name = _FileNameLabel(self._file)
        self._weight = _LoraWeightField(f"Weight of {name}")
        self._exact_weight = ExactNumber(self._weight, 2)
        self._remove_button = IconButton("close", f"Remove {name}")
        self._switch.setAccessibleName(f"Use {name}")
        self._switch.setToolTip(tooltips.LORA_ON)
        head = row(self._switch)
        head.addWidget(self._name, 1)
        head.addWidget(self._remove_button)
        self.setLayout(column(head, row(self._weight, margins=(_SWITCH_WIDTH, 0, 0, 0)), spacing=0))
        self._switch.setChecked(lora.on)
        self._exact_weight.set_value(lora.use.weight)
        self.check_file()
        self._switch.toggled.connect(self._handle_change)
        self._weight.changed.connect(self._handle_change)
        self._remove_button.clicked.connect(self.remove_requested)

    @property
    def missing(self) -> bool:
        return self._name.missing

    def value(self) -> LoraListItem:
        use = LoraReference(self._file, self._exact_weight.value(), self._text_weight)
        return LoraListItem(use, self._switch.isChecked())

    def check_file(self) -> None:
        """Check whether the file exists."""
        self._name.check_file()
        self._refresh()

    def _refresh(self) -> None:
        self._switch.setEnabled(not self.missing)
        self._weight.setEnabled(self._switch.isChecked() and not self.missing)

    def switch_on(self) -> None:
        self._switch.setChecked(True)

    def _handle_change(self) -> None:
        self._refresh()
        self.changed.emit()


class EmbeddingRow(QWidget):
    """Shows an `EmbeddingReference`; a click on its token asks to insert it into the prompt."""

    token_clicked = Signal(str)
    remove_requested = Signal()

    def __init__(self, embedding: EmbeddingReference) -> None:
        super().__init__()
        self._embedding = embedding
        self._name = _FileNameLabel(embedding.file)
        self._token_button = with_role(QPushButton(), "link")
        self._remove_button = IconButton("close", f"Remove {embedding.file.stem}")
        words = self._token_button.fontMetrics().elidedText(embedding.token, Qt.TextElideMode.ElideRight, 140)
        self._token_button.setText(escape_mnemonic(words))
        self._token_button.setAccessibleName(f"Write {embedding.token} into the prompt")
        self._token_button.setToolTip(plain_text_tooltip(f"{embedding.token}\n{tooltips.EMBEDDING_TOKEN}"))
        line = row(spacing=8)
        line.addWidget(self._name, 1)
        line.addWidget(self._token_button)
        line.addWidget(self._remove_button)
        self.setLayout(line)
        self.check_file()
        self._token_button.clicked.connect(lambda: self.token_clicked.emit(embedding.token))
        self._remove_button.clicked.connect(self.remove_requested)

    @property
    def missing(self) -> bool:
        return self._name.missing

    def value(self) -> EmbeddingReference:
        return self._embedding

    def check_file(self) -> None:
        """Check whether the file exists."""
        self._name.check_file()
