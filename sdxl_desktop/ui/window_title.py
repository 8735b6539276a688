"""The window's title: the document's name, and whether it is saved."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from sdxl_desktop.session.document.document import Document
from sdxl_desktop.ui.document_files import DocumentFiles
from sdxl_desktop.ui.widgets.plain_text import escape_window_title

APPLICATION = "SDXL Desktop"


def update_window_title(window: QWidget, document: Document, files: DocumentFiles) -> None:
    """Update the title; each system marks unsaved documents in its own way."""
    window.setWindowTitle(f"{escape_window_title(files.name)}[*] — {APPLICATION}" if files.name else APPLICATION)
    window.setWindowModified(document.modified)
    window.setWindowFilePath("" if files.file is None else str(files.file))
