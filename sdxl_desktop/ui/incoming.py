"""Dropped or pasted content: files, a picture without a file, a page of the hub."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QMimeData, QUrl
from PySide6.QtGui import QImage

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.formats.weight_variants import ENDINGS
from sdxl_desktop.imaging.picture_formats import PNG_MIME_TYPE, picture_mime_types, picture_suffixes
from sdxl_desktop.library.hub.hub_address import looks_like_address
from sdxl_desktop.session.document.project_content import PROJECT_SUFFIX as PROJECT
from sdxl_desktop.session.file_kinds import MODEL_INDEX
from sdxl_desktop.ui.picture_sources import PictureSource, picture_urls_in_html, source_of_address, sources_in_text


def open_filter() -> str:
    """Return the file dialog's filter: everything that can be opened, then each kind."""
    weights, checkpoint = tuple(f"*{ending}" for ending in ENDINGS), MODEL_INDEX
    pictures = tuple(f"*{ending}" for ending in picture_suffixes())
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
    """What was dropped or pasted, determined without reading it: `files` and folders; an `image` without a file (from a
    browser or the clipboard) as PNG bytes; the URL of a hub `page`; the `picture_url` of a picture on the web, which
    would have to be downloaded; or the `error` why nothing can be opened."""

    files: tuple[Path, ...] = ()
    image: bytes = b""
    page: str = ""
    picture_url: str = ""
    error: PictureError | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


def parse_incoming(text: str) -> Incoming:
    """Parse a URL or path given on the command line."""
    if looks_like_address(text) and not _is_picture_url(text):
        return Incoming(page=text)
    return _incoming_from_sources([source_of_address(text)])


def has_incoming(data: QMimeData) -> bool:
    """Whether `read_incoming` would find anything, even only an error; cheap enough for a drag event."""
    return has_picture_or_files(data) or bool(_hub_page_url(data)) or bool(sources_in_text(data.text()))


def has_picture_or_files(data: QMimeData) -> bool:
    """Whether `data` is a picture or files rather than text."""
    if data.urls() or data.hasImage() or _raw_format(data):
        return True
    return data.hasHtml() and not data.text().strip() and len(picture_urls_in_html(data.html())) == 1


def read_incoming(data: QMimeData) -> Incoming:
    """Return the content of `data`. Files take priority over pixels: a browser offers both, and the file is the
    original."""
    offered = [source_of_address(url.toString(QUrl.ComponentFormattingOption.FullyEncoded)) for url in data.urls()]
    files = [place.file for place in offered if place.file is not None]
    if files:
        return Incoming(files=tuple(files))
    if image := _image_bytes(data):
        return Incoming(image=image)
    pictures = picture_urls_in_html(data.html()) if data.hasHtml() else []
    if len(pictures) == 1:
        return _incoming_from_sources([source_of_address(pictures[0])])
    if page := _hub_page_url(data):
        return Incoming(page=page)
    found = _incoming_from_sources(offered or sources_in_text(data.text()))
    if len(pictures) > 1 and not found:
        return Incoming(
            error=PictureError(
                f"There are {len(pictures)} pictures in what was dragged or copied.",
                next_step="Drag or copy one of them.",
            )
        )
    return found


def _incoming_from_sources(sources: list[PictureSource]) -> Incoming:
    """Return the files among `sources`, else the first usable source."""
    files = [place.file for place in sources if place.file is not None]
    if files:
        return Incoming(files=tuple(files))
    first = next((place for place in sources if place.error is None), next(iter(sources), PictureSource()))
    return Incoming(image=first.content, picture_url=first.url, error=first.error)


def _raw_format(data: QMimeData) -> str:
    """Return the MIME type of an encoded picture in `data`; "" if there is none. Its bytes are preferred to the
    toolkit's decoded image: they have the colour profile and alpha."""
    return next((kind for kind in picture_mime_types() if data.hasFormat(kind)), "")


def _image_bytes(data: QMimeData) -> bytes:
    """Return the picture as an encoded file; b"" if there is none."""
    if data.hasFormat(PNG_MIME_TYPE):
        return bytes(data.data(PNG_MIME_TYPE).data())
    image = data.imageData() if data.hasImage() else None
    if isinstance(image, QImage) and not image.isNull():
        return _encode_png(image)
    raw = _raw_format(data)
    return bytes(data.data(raw).data()) if raw else b""


def _hub_page_url(data: QMimeData) -> str:
    """Return the dragged or copied URL of a hub page; plain text that looks like an id does not count."""
    offered = [url.toString() for url in data.urls()] or [data.text().strip()]
    return next(
        (text for text in offered if "://" in text and looks_like_address(text) and not _is_picture_url(text)), ""
    )


def _is_picture_url(address: str) -> bool:
    return address.partition("?")[0].lower().endswith(picture_suffixes())


def _encode_png(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(buffer.data().data())
