"""Pictures on their way into the window: what a drop or the clipboard carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QMimeData
from PySide6.QtGui import QImage

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".jxl", ".avif", ".heic", ".ppm")
PROJECT = ".sdxld"
WEIGHTS = (".safetensors", ".pt", ".bin", ".ckpt")
PICTURE_FILTER = "Pictures and projects (*" + " *".join((*PICTURES, PROJECT)) + ");;All files (*)"


@dataclass(frozen=True, slots=True)
class Incoming:
    """Files sorted by what they are, and an image without a file (from a browser or the clipboard) as PNG bytes."""

    pictures: tuple[Path, ...] = ()
    projects: tuple[Path, ...] = ()
    weights: tuple[Path, ...] = ()
    image: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.pictures or self.projects or self.weights or self.image)


def sort_files(files: list[Path]) -> Incoming:
    """What is no project and no weights is taken for a picture: opening it tells if it is none."""
    return Incoming(
        pictures=tuple(file for file in files if file.suffix.lower() not in (PROJECT, *WEIGHTS)),
        projects=tuple(file for file in files if file.suffix.lower() == PROJECT),
        weights=tuple(file for file in files if file.suffix.lower() in WEIGHTS),
    )


def offers(data: QMimeData) -> bool:
    """Whether `incoming` would find something; cheap enough for every move of a drag."""
    return data.hasImage() or any(url.isLocalFile() for url in data.urls())


def incoming(data: QMimeData) -> Incoming:
    """What `data` carries. Files go before pixels: a browser offers both, and the file is the original."""
    files = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
    files = [file for file in files if file.is_file()]
    if files:
        return sort_files(files)
    image = data.imageData() if data.hasImage() else None
    return Incoming(image=_png(image)) if isinstance(image, QImage) and not image.isNull() else Incoming()


def _png(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(buffer.data().data())
