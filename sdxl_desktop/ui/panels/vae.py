"""Which VAE decodes: the checkpoint's own, or another one, in a file or a folder."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from sdxl_desktop.formats.weight_files import SAFETENSORS
from sdxl_desktop.imaging.formats import dialog_filter
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.widgets.fields import Choice
from sdxl_desktop.ui.widgets.layout import Compound, row
from sdxl_desktop.ui.widgets.plain import plain_tip

_OWN, _CHOSEN = 0, 1
_FILTER = dialog_filter("VAEs", (SAFETENSORS,))


class VaePanel(Compound):
    """Edits the file or folder of a VAE, or None: the checkpoint's own."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._path: Path | None = None
        self.missing = False
        """Whether it is gone, as of the last `look`."""
        self._choice = Choice("VAE")
        self._choice.setToolTip(glossary.VAE)
        self.setLayout(row(self._choice))
        self._fill()
        self._choice.activated.connect(self._chosen)

    def first_control(self) -> QWidget:
        return self._choice

    def value(self) -> Path | None:
        return self._path

    def set_value(self, path: Path | None) -> None:
        with QSignalBlocker(self):
            self._put(path)

    def look(self) -> None:
        """See whether it is there."""
        self._fill()

    def _fill(self) -> None:
        self.missing = self._path is not None and not self._path.exists()
        self._choice.clear()
        self._choice.addItem("The checkpoint's own")
        if self._path is not None:
            self._choice.addItem(self._path.name + (" (missing)" if self.missing else ""))
            gone = "It is missing, so the checkpoint's own is used: " if self.missing else ""
            self._choice.setItemData(_CHOSEN, plain_tip(f"{gone}{self._path}"), Qt.ItemDataRole.ToolTipRole)
        self._choice.addItem("Choose a file…")
        self._choice.addItem("Choose a folder…")
        self._choice.setCurrentIndex(_OWN if self._path is None else _CHOSEN)

    def _chosen(self, index: int) -> None:
        start, last = str(self._path.parent) if self._path else "", self._choice.count() - 1
        if index == last:
            chosen = QFileDialog.getExistingDirectory(self, "Choose the folder of a VAE", start)
            self._put(Path(chosen) if chosen else self._path)
        elif index == last - 1:
            chosen, _ = QFileDialog.getOpenFileName(self, "Choose the file of a VAE", start, _FILTER)
            self._put(Path(chosen) if chosen else self._path)
        elif index == _OWN:
            self._put(None)

    def _put(self, path: Path | None) -> None:
        moved, self._path = path != self._path, path
        self._fill()
        if moved:
            self.changed.emit()
