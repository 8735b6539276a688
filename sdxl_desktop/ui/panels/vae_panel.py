"""The VAE used for decoding: the checkpoint's own, or another one from a file or a folder."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from sdxl_desktop.formats.weight_variants import SAFETENSORS
from sdxl_desktop.imaging.picture_formats import dialog_filter
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.widgets.fields import ComboBox
from sdxl_desktop.ui.widgets.layout_helpers import CompoundField, row
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

_OWN_INDEX, _CUSTOM_INDEX = 0, 1
_FILTER = dialog_filter("VAEs", (SAFETENSORS,))


class VaePanel(CompoundField):
    """Edits the path of a VAE's file or folder, or None: the checkpoint's own."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._path: Path | None = None
        self.missing = False
        """Whether the path was missing at the last `check_path`."""
        self._combo_box = ComboBox("VAE")
        self._combo_box.setToolTip(tooltips.VAE)
        self.setLayout(row(self._combo_box))
        self._fill_choices()
        self._combo_box.activated.connect(self._handle_selection)

    def focus_target(self) -> QWidget:
        return self._combo_box

    def value(self) -> Path | None:
        return self._path

    def set_value(self, path: Path | None) -> None:
        with QSignalBlocker(self):
            self._set_path(path)

    def check_path(self) -> None:
        """Check whether the path exists."""
        self._fill_choices()

    def _fill_choices(self) -> None:
        self.missing = self._path is not None and not self._path.exists()
        self._combo_box.clear()
        self._combo_box.addItem("The checkpoint's own")
        if self._path is not None:
            self._combo_box.addItem(self._path.name + (" (missing)" if self.missing else ""))
            gone = "It is missing, so the checkpoint's own is used: " if self.missing else ""
            self._combo_box.setItemData(
                _CUSTOM_INDEX, plain_text_tooltip(f"{gone}{self._path}"), Qt.ItemDataRole.ToolTipRole
            )
        self._combo_box.addItem("Choose a file…")
        self._combo_box.addItem("Choose a folder…")
        self._combo_box.setCurrentIndex(_OWN_INDEX if self._path is None else _CUSTOM_INDEX)

    def _handle_selection(self, index: int) -> None:
        start, last = str(self._path.parent) if self._path else "", self._combo_box.count() - 1
        if index == last:
            chosen = QFileDialog.getExistingDirectory(self, "Choose the folder of a VAE", start)
            self._set_path(Path(chosen) if chosen else self._path)
        elif index == last - 1:
            chosen, _ = QFileDialog.getOpenFileName(self, "Choose the file of a VAE", start, _FILTER)
            self._set_path(Path(chosen) if chosen else self._path)
        elif index == _OWN_INDEX:
            self._set_path(None)

    def _set_path(self, path: Path | None) -> None:
        moved, self._path = path != self._path, path
        self._fill_choices()
        if moved:
            self.changed.emit()
