"""What is on its way into the window by a drop or the clipboard: pictures, projects, weights, whole checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QMimeData, QUrl
from PySide6.QtGui import QImage

from sdxl_desktop.core.errors import AdditionError, PictureError
from sdxl_desktop.imaging.formats import picture_endings
from sdxl_desktop.library.additions import kind_of
from sdxl_desktop.library.hub.address import looks_like_address
from sdxl_desktop.ui.addresses import Place, pictures_of_html, place_of, places_in_text

PROJECT = ".sdxld"
WEIGHTS = (".safetensors", ".pt", ".bin", ".ckpt")
_RAW = ("image/png", "image/webp", "image/jpeg", "image/tiff", "image/avif", "image/heic", "image/gif", "image/bmp")
"""A picture's own bytes are taken rather than what the toolkit made of them: they have its profile and alpha."""


def picture_filter() -> str:
    """What the file dialog offers: everything that can be read."""
    return "Pictures and projects (*" + " *".join((*picture_endings(), PROJECT)) + ");;All files (*)"


@dataclass(frozen=True, slots=True)
class Incoming:
    """Files sorted by what they are, and an image without a file (from a browser or the clipboard) as PNG bytes.

    `weights` are LoRAs and embeddings; `checkpoints` are files and folders of whole checkpoints, and pages of the hub.
    `web` is the address of a picture that would have to be downloaded; `problem` says why nothing can be taken.
    """

    pictures: tuple[Path, ...] = ()
    projects: tuple[Path, ...] = ()
    weights: tuple[Path, ...] = ()
    image: bytes = b""
    checkpoints: tuple[str, ...] = ()
    web: str = ""
    problem: PictureError | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


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
    """Whether `incoming` would find something, if only words of why it cannot be taken; cheap enough for a drag."""
    return carries_picture(data) or bool(_page(data)) or bool(places_in_text(data.text()))


def carries_picture(data: QMimeData) -> bool:
    """Whether it is a picture or files rather than text."""
    if data.urls() or data.hasImage() or _raw_format(data):
        return True
    return data.hasHtml() and not data.text().strip() and len(pictures_of_html(data.html())) == 1


def incoming(data: QMimeData) -> Incoming:
    """What `data` carries. Files go before pixels: a browser offers both, and the file is the original."""
    offered = [place_of(url.toString(QUrl.ComponentFormattingOption.FullyEncoded)) for url in data.urls()]
    files = [place.file for place in offered if place.file is not None]
    if files:
        return sort_files(files)
    if image := _pixels(data):
        return Incoming(image=image)
    pictures = pictures_of_html(data.html()) if data.hasHtml() else []
    if len(pictures) == 1:
        return _placed([place_of(pictures[0])])
    if page := _page(data):
        return Incoming(checkpoints=(page,))
    found = _placed(offered or places_in_text(data.text()))
    if len(pictures) > 1 and not found:
        return Incoming(
            problem=PictureError(
                f"There are {len(pictures)} pictures in what was dragged or copied.",
                next_step="Drag or copy one of them.",
            )
        )
    return found


def _placed(places: list[Place]) -> Incoming:
    """What lies at these places: files, else the first that is something."""
    files = [place.file for place in places if place.file is not None]
    if files:
        return sort_files(files)
    first = next((place for place in places if place.problem is None), next(iter(places), Place()))
    return Incoming(image=first.content, web=first.web, problem=first.problem)


def _raw_format(data: QMimeData) -> str:
    return next((kind for kind in _RAW if data.hasFormat(kind)), "")


def _pixels(data: QMimeData) -> bytes:
    """The picture itself, as the bytes of a file; b"" for none."""
    if data.hasFormat(_RAW[0]):
        return bytes(data.data(_RAW[0]).data())
    image = data.imageData() if data.hasImage() else None
    if isinstance(image, QImage) and not image.isNull():
        return _png(image)
    raw = _raw_format(data)
    return bytes(data.data(raw).data()) if raw else b""


def _page(data: QMimeData) -> str:
    """The URL of a page of the hub that is dragged or was copied; plain words that look like an id are not meant so."""
    offered = [url.toString() for url in data.urls()] or [data.text().strip()]
    return next((text for text in offered if "://" in text and looks_like_address(text) and not _of_picture(text)), "")


def _of_picture(address: str) -> bool:
    return address.partition("?")[0].lower().endswith(picture_endings())


def _png(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(buffer.data().data())
