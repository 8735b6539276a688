"""Locations of pictures offered by a browser, chat or editor: files, `data:` URLs, and web URLs."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from PySide6.QtCore import QUrl

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.paths import expand_path
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.weight_variants import KNOWN_ENDINGS

_MAX_ADDRESS = 8192
_MAX_PATH = 4096
_MAX_LINES = 1000
_MAX_HTML = 200 * 2**20
"""Characters; a picture may be embedded as a `data:` URL."""
_NO_PICTURE_SUFFIXES = (*KNOWN_ENDINGS, ".zip")
_MAX_SHOWN_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class PictureSource:
    """Exactly one of: an existing `file`, encoded `content`, a web `url`, or an `error` to show."""

    file: Path | None = None
    content: bytes = b""
    url: str = ""
    error: PictureError | None = None


def source_of_address(address: str) -> PictureSource:
    """Return the source that `address` refers to."""
    scheme = address[:32].partition(":")[0].strip().lower()
    if scheme == "data":
        return _data_source(address)
    if scheme == "file":
        return _local_source(QUrl(address))
    if scheme in ("http", "https"):
        return _web_source(address)
    return PictureSource(
        error=PictureError(
            f"{display_text(address, _MAX_SHOWN_CHARACTERS)} cannot be opened from here.",
            why=f"{scheme}: addresses are not supported." if scheme and ":" in address else "It is no whole address.",
            next_step="Save the picture to this computer and open the file.",
        )
    )


def sources_in_text(text: str) -> list[PictureSource]:
    """Return the sources in text of only addresses or file paths, one per line; empty for other text."""
    lines = [line.strip().strip("\"'") for line in text.strip().splitlines() if line.strip()]
    if not lines or len(lines) > _MAX_LINES:
        return []
    found = [_source_of_line(line) for line in lines]
    return [place for place in found if place is not None] if all(found) else []


def picture_urls_in_html(html: str) -> list[str]:
    """Return the URLs of the pictures in HTML, without duplicates."""
    reader = _ImageSourceParser()
    with suppress(AssertionError, ValueError):  # raised by the parser for malformed markup
        reader.feed(html[:_MAX_HTML])
    return list(dict.fromkeys(reader.found))


class _ImageSourceParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        source = (dict(attrs).get("src") or "").strip() if tag == "img" else ""
        if source:
            self.found.append(f"https:{source}" if source.startswith("//") else source)


def _source_of_line(line: str) -> PictureSource | None:
    head = line[:8].lower()
    if head.startswith("data:ima"):
        return _data_source(line)
    if head.startswith("file://"):  # many programs do not escape spaces here
        return source_of_address(line)
    if head.startswith(("http://", "https://")):
        return source_of_address(line) if not any(letter.isspace() for letter in line) else None
    if len(line) > _MAX_PATH or (not line.startswith(("/", "~", "\\\\")) and line[1:3] not in (":\\", ":/")):
        return None
    path = expand_path(Path(line))
    return PictureSource(file=path) if path.is_absolute() and _exists(path) else None


def _local_source(url: QUrl) -> PictureSource:
    if url.host().lower() == "localhost":
        url.setHost("")
    path = Path(url.toLocalFile())
    if url.toLocalFile() and _exists(path):
        return PictureSource(file=path)
    if url.host():
        problem = PictureError(
            f"{display_text(path.name, _MAX_SHOWN_CHARACTERS)} lies on another computer, {display_text(url.host())}.",
            next_step="Copy it to this computer and open it there.",
        )
    else:
        problem = PictureError(
            f"There is no file {display_text(str(path), _MAX_SHOWN_CHARACTERS)}.",
            next_step="Check whether it was moved.",
        )
    return PictureSource(error=problem)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _data_source(address: str) -> PictureSource:
    head, comma, body = address.partition(",")
    kind, *extras = head.partition(":")[2].lower().split(";")
    if not comma or not kind.strip().startswith("image/"):
        return PictureSource(
            error=PictureError(
                "What was dragged or copied holds no picture.",
                why=f"It is of the kind {display_text(kind, 40) or 'text/plain'}.",
                next_step="Drag or copy the picture itself.",
            )
        )
    content = unquote_to_bytes(body)
    if "base64" in [extra.strip() for extra in extras]:
        try:
            content = base64.b64decode(b"".join(content.split()) + b"==")
        except (binascii.Error, ValueError):
            content = b""
    if not content:
        return PictureSource(
            error=PictureError(
                "The picture that was dragged or copied is damaged.",
                why="Its data: address cannot be decoded.",
                next_step="Save the picture with your browser and open the file.",
            )
        )
    return PictureSource(content=content)


def _web_source(address: str) -> PictureSource:
    try:
        parts = urlsplit(address)
        valid = bool(parts.hostname) and len(address) <= _MAX_ADDRESS
    except ValueError:
        valid = False
    if not valid:
        return PictureSource(
            error=PictureError(
                f"{display_text(address, _MAX_SHOWN_CHARACTERS)} is no address.", next_step="Copy the picture instead."
            )
        )
    if parts.path.lower().endswith(_NO_PICTURE_SUFFIXES):
        return PictureSource(
            error=PictureError(
                f"{display_text(address, _MAX_SHOWN_CHARACTERS)} is no picture.",
                why="Checkpoints and LoRAs are not downloaded from such addresses.",
                next_step="Download it with your browser and drop the file here.",
            )
        )
    return PictureSource(url=address)
