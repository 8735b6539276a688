"""What the window's title says: the name of the document, and whether all of it is in a file."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from sdxl_desktop.session.document.document import Document
from sdxl_desktop.ui.document_files import DocumentFiles
from sdxl_desktop.ui.widgets.plain_text import escape_window_title

APPLICATION = "SDXL Desktop"


def update_window_title(window: QWidget, document: Document, files: DocumentFiles) -> None:
    """Bring the title up to date; systems mark it in their own way while something is not saved."""
    window.setWindowTitle(f"{escape_window_title(files.name)}[*] — {APPLICATION}" if files.name else APPLICATION)
    window.setWindowModified(document.modified)
    window.setWindowFilePath("" if files.file is None else str(files.file))
