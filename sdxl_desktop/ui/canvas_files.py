"""Saves and exports what is on the canvas: the shown result, else the document."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction

from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.document_files import DocumentFiles
from sdxl_desktop.ui.result_actions import ResultActions
from sdxl_desktop.ui.widgets.plain_text import escape_mnemonic


class CanvasFiles(QObject):
    """Save, Save as, Export and Copy. They do nothing on an empty canvas."""

    def __init__(self, canvas_area: CanvasArea, results: ResultActions, documents: DocumentFiles) -> None:
        super().__init__(canvas_area)
        self._canvas_area, self._results, self._documents = canvas_area, results, documents
        canvas_area.canvas_bar.save_requested.connect(self.save)
        canvas_area.canvas_bar.save_as_requested.connect(self.save_as)
        canvas_area.canvas_bar.copy_requested.connect(self.copy)

    @property
    def _result_shown(self) -> bool:
        return self._canvas_area.shown_result is not None

    def save(self) -> None:
        """Save a result to the pictures folder; save the document to its own file, or ask for one."""
        if self._result_shown:
            self._results.save()
        else:
            self._documents.save()

    def save_as(self) -> None:
        """Ask for a file and write to it."""
        if self._result_shown:
            self._results.save_as()
        else:
            self._documents.save_as()

    def export(self) -> None:
        """Ask for a file and write only the pixels, without metadata."""
        self._documents.export()

    def copy(self) -> None:
        """Copy the pixels to the clipboard."""
        self._results.copy()

    def update_save_action(self, save: QAction) -> None:
        """Set the menu entry's text to what Save would do now."""
        file = self._documents.file
        if self._result_shown:
            save.setText("&Save result")
        elif file is not None:
            save.setText(f"&Save {escape_mnemonic(file.name)}")
        else:
            save.setText("&Save picture…" if self._documents.name else "&Save")
