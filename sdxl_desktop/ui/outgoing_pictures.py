"""Pictures that leave the window: clipboard, drag and drop, and the temporary files a drag may need."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import QMimeData, QObject, Qt, QUrl
from PySide6.QtGui import QDrag, QGuiApplication, QPixmap

from sdxl_desktop.core.errors import OutputError
from sdxl_desktop.core.events import Picture, Pixels
from sdxl_desktop.core.exclusive_write import first_free_name
from sdxl_desktop.session.result_files import Result, save_as, save_pixels, suggested_name
from sdxl_desktop.ui.qt_images import to_image
from sdxl_desktop.ui.results_model import THUMBNAIL_SIDE


class OutgoingPictures:
    """Creates drag and clipboard data. `close` removes the temporary files."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: dict[int, tuple[Picture, Path]] = {}  # holding the picture keeps its id unique

    def mime_of_result(self, result: Result) -> QMimeData:
        """Return the picture as a file and as an image, so both editors and file managers accept it. Both have exactly
        the shown pixels. If no file can be written, only the image is included."""
        return _mime_data(result.picture.pixels, lambda: self.file_of_result(result))

    def mime_of_pixels(self, pixels: Pixels, name: str, own_file: Path | None = None) -> QMimeData:
        """Like `mime_of_result`, for pixels, uint8 [H, W, 3], that are not a result's; `own_file` is a file that may
        hold them, `name` the name for another one."""
        return _mime_data(pixels, lambda: self.file_of_pixels(pixels, name, own_file))

    def copy(self, pixels: Pixels) -> None:
        """Copy the picture, uint8 [H, W, 3], to the clipboard."""
        QGuiApplication.clipboard().setImage(to_image(pixels))

    def drag(self, source: QObject, data: QMimeData, pixels: Pixels) -> None:
        """Drag `data` with a thumbnail of `pixels`, uint8 [H, W, 3]; returns after the drop."""
        drag = QDrag(source)
        drag.setMimeData(data)
        drag.setPixmap(
            QPixmap.fromImage(to_image(pixels)).scaled(
                THUMBNAIL_SIDE * 2,
                THUMBNAIL_SIDE * 2,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )
        drag.exec(Qt.DropAction.CopyAction)

    def file_of_result(self, result: Result) -> Path:
        """Return the result's file if it has exactly its pixels, else a temporary PNG that exists as long as the
        window. Raises OutputError."""
        if result.saved_to is not None and _has_pixels(result.saved_to, result.picture.pixels):
            return result.saved_to
        if id(result.picture) not in self._files:
            path = self._unused_path(suggested_name(result))
            save_as(result, path)
            self._files[id(result.picture)] = (result.picture, path)
        return self._files[id(result.picture)][1]

    def file_of_pixels(self, pixels: Pixels, name: str, own_file: Path | None = None) -> Path:
        """Return `own_file` if it has exactly these pixels, uint8 [H, W, 3], else a temporary PNG named after `name`.
        Raises OutputError."""
        if own_file is not None and _has_pixels(own_file, pixels):
            return own_file
        path = self._unused_path(Path(name).stem or "picture")
        save_pixels(pixels, path)
        return path

    def _unused_path(self, stem: str) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="sdxl-desktop-")
        return first_free_name(Path(self._folder.name) / f"{stem}.png")

    def close(self) -> None:
        """Remove the temporary files. Safe to call twice."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
            self._files.clear()


def _mime_data(pixels: Pixels, file: Callable[[], Path]) -> QMimeData:
    data = QMimeData()
    data.setImageData(to_image(pixels))
    with suppress(OutputError):
        data.setUrls([QUrl.fromLocalFile(str(file()))])
    return data


def _has_pixels(file: Path, pixels: Pixels) -> bool:
    """Whether `file` decodes to exactly these pixels; not if it was modified or its format is lossy."""
    try:
        with Image.open(file) as image:
            return image.mode == "RGB" and np.array_equal(np.asarray(image), pixels)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
