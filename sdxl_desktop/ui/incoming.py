"""What is on its way into the window by a drop or the clipboard: files, a picture without one, a page of the hub."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QMimeData, QUrl
from PySide6.QtGui import QImage

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.imaging.formats import picture_endings
from sdxl_desktop.library.hub.address import looks_like_address
from sdxl_desktop.session.document.contents import SUFFIX as PROJECT
from sdxl_desktop.session.file_kinds import INDEX, WEIGHTS
from sdxl_desktop.ui.addresses import Place, pictures_of_html, place_of, places_in_text

_RAW = ("image/png", "image/webp", "image/jpeg", "image/tiff", "image/avif", "image/heic", "image/gif", "image/bmp")
"""A picture's own bytes are taken rather than what the toolkit made of them: they have its profile and alpha."""


def open_filter() -> str:
    """What the file dialog offers: everything that can be opened, then each kind of it."""
    weights, checkpoint = tuple(f"*{ending}" for ending in WEIGHTS), INDEX
    pictures = tuple(f"*{ending}" for ending in picture_endings())
    kinds = {
        "Everything that can be opened": (*pictures, f"*{PROJECT}", *weights, checkpoint),
        "Pictures": pictures,
        "Projects": (f"*{PROJECT}",),
        "Checkpoints, LoRAs, embeddings, VAEs, kept latents": (*weights, checkpoint),
        "All files": ("*",),
    }
    return ";;".join(f"{title} ({' '.join(patterns)})" for title, patterns in kinds.items())


@dataclass(frozen=True, slots=True)
class Incoming:
    """What came in, as far as can be told without reading it: `files` and folders; an `image` without a file (from a
    browser or the clipboard) as PNG bytes; the URL of a `page` of the hub; the address of a picture on the `web`, which
    would have to be downloaded; or the `problem` why nothing can be taken."""

    files: tuple[Path, ...] = ()
    image: bytes = b""
    page: str = ""
    web: str = ""
    problem: PictureError | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


def named_in_text(text: str) -> Incoming:
    """What a URL or a path means that was typed on the command line."""
    if looks_like_address(text) and not _of_picture(text):
        return Incoming(page=text)
    return _placed([place_of(text)])


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
        return Incoming(files=tuple(files))
    if image := _pixels(data):
        return Incoming(image=image)
    pictures = pictures_of_html(data.html()) if data.hasHtml() else []
    if len(pictures) == 1:
        return _placed([place_of(pictures[0])])
    if page := _page(data):
        return Incoming(page=page)
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
        return Incoming(files=tuple(files))
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
