"""What is on its way into the window by a drop or the clipboard: pictures, projects, weights, whole checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QMimeData
from PySide6.QtGui import QImage

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.library.additions import kind_of
from sdxl_desktop.library.hub.address import looks_like_address

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".jxl", ".avif", ".heic", ".ppm")
PROJECT = ".sdxld"
WEIGHTS = (".safetensors", ".pt", ".bin", ".ckpt")
PICTURE_FILTER = "Pictures and projects (*" + " *".join((*PICTURES, PROJECT)) + ");;All files (*)"


@dataclass(frozen=True, slots=True)
class Incoming:
    """Files sorted by what they are, and an image without a file (from a browser or the clipboard) as PNG bytes.

    `weights` are LoRAs and embeddings; `checkpoints` are files and folders of whole checkpoints, and pages of the hub.
    """

    pictures: tuple[Path, ...] = ()
    projects: tuple[Path, ...] = ()
    weights: tuple[Path, ...] = ()
    image: bytes = b""
    checkpoints: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pictures or self.projects or self.weights or self.image or self.checkpoints)


def sort_files(files: list[Path]) -> Incoming:
    """What is no project and no weights is taken for a picture: opening it tells if it is none."""
    weights = [file for file in files if file.suffix.lower() in WEIGHTS and not file.is_dir()]
    whole = [file for file in files if file.is_dir() or (file in weights and is_checkpoint(file))]
    return Incoming(
        pictures=tuple(file for file in files if file.suffix.lower() not in (PROJECT, *WEIGHTS) and file not in whole),
        projects=tuple(file for file in files if file.suffix.lower() == PROJECT and file not in whole),
        weights=tuple(file for file in weights if file not in whole),
        checkpoints=tuple(str(path) for path in whole),
    )


def is_checkpoint(file: Path) -> bool:
    """Whether a file of weights is to be brought into the library: it is neither a LoRA nor an embedding, by its head.
    What is wrong with it is told there."""
    if file.suffix.lower() == ".ckpt":
        return True
    try:
        kind_of(file)
    except AdditionError:
        return True
    return False


def offers(data: QMimeData) -> bool:
    """Whether `incoming` would find something; cheap enough for every move of a drag."""
    return data.hasImage() or any(url.isLocalFile() for url in data.urls()) or bool(_page(data))


def incoming(data: QMimeData) -> Incoming:
    """What `data` carries. Files go before pixels: a browser offers both, and the file is the original."""
    files = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
    files = [file for file in files if file.exists()]
    if files:
        return sort_files(files)
    image = data.imageData() if data.hasImage() else None
    if isinstance(image, QImage) and not image.isNull():
        return Incoming(image=_png(image))
    page = _page(data)
    return Incoming(checkpoints=(page,)) if page else Incoming()


def _page(data: QMimeData) -> str:
    """The URL of a page of the hub that is dragged or was copied; plain words that look like an id are not meant so."""
    offered = [url.toString() for url in data.urls()] or [data.text().strip()]
    return next((text for text in offered if "://" in text and looks_like_address(text)), "")


def _png(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(buffer.data().data())
