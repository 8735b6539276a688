"""Which VAE decodes: the checkpoint's own, or one in a folder."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.widgets.fields import Choice
from sdxl_desktop.ui.widgets.layout import Compound, row
from sdxl_desktop.ui.widgets.plain import plain_tip

_OWN, _CHOSEN = 0, 1


class VaePanel(Compound):
    """Edits the folder of a VAE, or None: the checkpoint's own."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._folder: Path | None = None
        self.missing = False
        """Whether the folder is gone, as of the last `look`."""
        self._choice = Choice("VAE")
        self._choice.setToolTip(glossary.VAE)
        self.setLayout(row(self._choice))
        self._fill()
        self._choice.activated.connect(self._chosen)

    def first_control(self) -> QWidget:
        return self._choice

    def value(self) -> Path | None:
        return self._folder

    def set_value(self, folder: Path | None) -> None:
        with QSignalBlocker(self):
            self._put(folder)

    def look(self) -> None:
        """See whether the folder is there."""
        self._fill()

    def _fill(self) -> None:
        self.missing = self._folder is not None and not self._folder.is_dir()
        self._choice.clear()
        self._choice.addItem("The checkpoint's own")
        if self._folder is not None:
            self._choice.addItem(self._folder.name + (" (missing)" if self.missing else ""))
            gone = "This folder is missing, so the checkpoint's own is used: " if self.missing else ""
            self._choice.setItemData(_CHOSEN, plain_tip(f"{gone}{self._folder}"), Qt.ItemDataRole.ToolTipRole)
        self._choice.addItem("Choose a folder…")
        self._choice.setCurrentIndex(_OWN if self._folder is None else _CHOSEN)

    def _chosen(self, index: int) -> None:
        if index == self._choice.count() - 1:
            start = str(self._folder.parent) if self._folder else ""
            chosen = QFileDialog.getExistingDirectory(self, "Choose the folder of a VAE", start)
            self._put(Path(chosen) if chosen else self._folder)
        elif index == _OWN:
            self._put(None)

    def _put(self, folder: Path | None) -> None:
        moved, self._folder = folder != self._folder, folder
        self._fill()
        if moved:
            self.changed.emit()
