"""Pictures on their way out of the window: clipboard, drag and drop, and the temporary files a drag may need."""

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
    """Makes drag and clipboard data. `close` removes the temporary files."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: dict[int, tuple[Picture, Path]] = {}  # the picture is held so that its id stays its own

    def mime_of_result(self, result: Result) -> QMimeData:
        """The picture as a file and as an image, so that both editors and file managers take it. Both have the very
        pixels that are seen. Where no file can be written there is the image alone."""
        return _mime_data(result.picture.pixels, lambda: self.file_of_result(result))

    def mime_of_pixels(self, pixels: Pixels, name: str, own_file: Path | None = None) -> QMimeData:
        """The same of pixels, uint8 [H, W, 3], that are no result; `own` is a file that may hold them, `name` what to
        call another."""
        return _mime_data(pixels, lambda: self.file_of_pixels(pixels, name, own_file))

    def copy(self, pixels: Pixels) -> None:
        """Put the picture, uint8 [H, W, 3], on the clipboard."""
        QGuiApplication.clipboard().setImage(to_image(pixels))

    def drag(self, source: QObject, data: QMimeData, pixels: Pixels) -> None:
        """Let the person carry `data` somewhere, seeing `pixels`, uint8 [H, W, 3]; returns when it is
        dropped."""
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
        """The picture's file if it holds the very pixels, or a temporary PNG that lives as long as the window; raises
        OutputError."""
        if result.saved_to is not None and _has_pixels(result.saved_to, result.picture.pixels):
            return result.saved_to
        if id(result.picture) not in self._files:
            path = self._unused_path(suggested_name(result))
            save_as(result, path)
            self._files[id(result.picture)] = (result.picture, path)
        return self._files[id(result.picture)][1]

    def file_of_pixels(self, pixels: Pixels, name: str, own_file: Path | None = None) -> Path:
        """`own` if it holds the very pixels, uint8 [H, W, 3], else a temporary PNG called after `name`; raises
        OutputError."""
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
    """Whether `file` is a picture of exactly these pixels; one that was changed by others, or loses some, is not."""
    try:
        with Image.open(file) as image:
            return image.mode == "RGB" and np.array_equal(np.asarray(image), pixels)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
