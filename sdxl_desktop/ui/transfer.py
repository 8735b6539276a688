"""Pictures on their way out of the window: clipboard, drag and drop, and the temporary files a drag may need."""

from __future__ import annotations

import tempfile
from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, Qt, QUrl
from PySide6.QtGui import QDrag, QGuiApplication, QPixmap

from sdxl_desktop.core.events import Picture
from sdxl_desktop.session.pictures import Result, save_as, suggested_name, unused
from sdxl_desktop.ui.images import to_image
from sdxl_desktop.ui.results_model import THUMBNAIL


class OutgoingPictures:
    """Makes drag and clipboard data. `close` removes the temporary files."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: dict[int, tuple[Picture, Path]] = {}  # the picture is held so that its id stays its own

    def mime(self, result: Result) -> QMimeData:
        """The picture as a file and as an image, so that both editors and file managers take it."""
        data = QMimeData()
        data.setImageData(to_image(result.picture.pixels))
        data.setUrls([QUrl.fromLocalFile(str(self.file(result)))])
        return data

    def copy(self, result: Result) -> None:
        """Put the picture on the clipboard."""
        QGuiApplication.clipboard().setImage(to_image(result.picture.pixels))

    def drag(self, source: QObject, result: Result) -> None:
        """Let the person carry the picture somewhere; returns when it is dropped."""
        drag = QDrag(source)
        drag.setMimeData(self.mime(result))
        drag.setPixmap(
            QPixmap.fromImage(to_image(result.picture.pixels)).scaled(
                THUMBNAIL * 2,
                THUMBNAIL * 2,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )
        drag.exec(Qt.DropAction.CopyAction)

    def file(self, result: Result) -> Path:
        """The picture's file, or a temporary PNG that lives as long as the window; raises OutputError."""
        if result.saved_to is not None and result.saved_to.is_file():
            return result.saved_to
        if id(result.picture) not in self._files:
            self._files[id(result.picture)] = (result.picture, self._write(result))
        return self._files[id(result.picture)][1]

    def _write(self, result: Result) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="sdxl-desktop-")
        path = unused(Path(self._folder.name) / f"{suggested_name(result)}.png")
        save_as(result, path)
        return path

    def close(self) -> None:
        """Remove the temporary files. Safe to call twice."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
            self._files.clear()
