"""Composes pictures into one labelled grid; NumPy and Pillow only."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.core.untrusted_text import display_text

MAX_PIXELS = 2**26
"""Of the whole picture; cells are reduced to stay below."""
_BACKGROUND, _TEXT, _EMPTY = (255, 255, 255), (24, 24, 28), (232, 232, 236)
_LONGEST_LABEL = 120


@dataclass(frozen=True, slots=True)
class GridSection:
    """A table of pictures under a `title` ("": none): rows of files or pixels uint8 [H, W, 3]; None is left empty."""

    title: str
    cells: tuple[tuple[Path | UInt8Array | None, ...], ...]


def compose_grid(
    sections: Sequence[GridSection], columns: Sequence[str], rows: Sequence[str], cell: tuple[int, int], font: Path
) -> UInt8Array:
    """Return the sections one below the other, each with labels for its columns and rows: uint8 [H, W, 3].

    `cell` is the (width, height) of a picture in pixels; all are reduced alike if the whole had more than MAX_PIXELS.
    `font` is a TrueType file. Raises OSError for a file that cannot be read.
    """
    layout = _fitting_layout(sections, columns, rows, cell, font)
    whole = Image.new("RGB", layout.size, _BACKGROUND)
    draw = ImageDraw.Draw(whole)
    top = layout.margin
    for section in sections:
        top = layout.draw_section(whole, draw, section, top)
    return np.asarray(whole)


def _fitting_layout(
    sections: Sequence[GridSection], columns: Sequence[str], rows: Sequence[str], cell: tuple[int, int], font: Path
) -> _Layout:
    layout = _Layout(sections, columns, rows, cell, font)
    while layout.size[0] * layout.size[1] > MAX_PIXELS and min(layout.cell) > 8:
        factor = min(0.95, (MAX_PIXELS / (layout.size[0] * layout.size[1])) ** 0.5)
        smaller = (max(8, int(layout.cell[0] * factor)), max(8, int(layout.cell[1] * factor)))
        layout = _Layout(sections, columns, rows, smaller, font)
    return layout


class _Layout:
    """Where everything is, in pixels."""

    def __init__(
        self,
        sections: Sequence[GridSection],
        columns: Sequence[str],
        rows: Sequence[str],
        cell: tuple[int, int],
        font: Path,
    ) -> None:
        self.cell, self.columns, self.rows = cell, columns, rows
        size = max(11, min(28, round(cell[0] / 16)))
        self.font = ImageFont.truetype(str(font), size)
        self.line, self.margin, self.gap = round(size * 1.35), size, max(2, size // 3)
        self.row_width = min(cell[0], max((self.text_width(_shown(text)) for text in rows if text.strip()), default=0))
        self.row_width += self.margin if self.row_width else 0
        self.heading = self.label_height(columns, cell[0])
        titles = sum(self.line + self.gap for section in sections if section.title)
        table = self.heading + len(rows) * (cell[1] + self.gap) + self.margin
        width = self.row_width + len(columns) * (cell[0] + self.gap) - self.gap + 2 * self.margin
        self.size = (width, titles + len(sections) * table + self.margin)

    def text_width(self, text: str) -> int:
        return round(self.font.getlength(text))

    def lines(self, text: str, width: int) -> list[str]:
        """Break `text` into lines of at most `width` pixels; at most three, the last one cut."""
        lines, line = list[str](), ""
        for word in _shown(text).split():
            longer = f"{line} {word}".strip()
            if line and self.text_width(longer) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        return [self.cut(one, width) for one in (*lines, line)[:3]]

    def cut(self, text: str, width: int) -> str:
        if not text or self.text_width(text) <= width:
            return text
        fitting = bisect_right(range(1, len(text)), width, key=lambda end: self.text_width(f"{text[:end]}…"))
        return f"{text[:fitting]}…"

    def label_height(self, texts: Sequence[str], width: int) -> int:
        count = max((len(self.lines(text, width)) for text in texts if text), default=0)
        return count * self.line + (self.gap if count else 0)

    def draw_section(self, whole: Image.Image, draw: ImageDraw.ImageDraw, section: GridSection, top: int) -> int:
        """Draw a section at `top`; return where the next one begins."""
        left = self.margin + self.row_width
        if section.title:
            draw.text(
                (self.margin, top), self.cut(_shown(section.title), self.size[0] - 2 * self.margin), _TEXT, self.font
            )
            top += self.line + self.gap
        for number, text in enumerate(self.columns):
            middle = left + number * (self.cell[0] + self.gap) + self.cell[0] / 2
            for row, line in enumerate(self.lines(text, self.cell[0])):
                draw.text((middle, top + row * self.line), line, _TEXT, self.font, anchor="ma")
        top += self.heading
        for text, pictures in zip(self.rows, section.cells, strict=True):
            lines = self.lines(text, self.row_width)
            begin = top + (self.cell[1] - len(lines) * self.line) / 2
            for row, line in enumerate(lines):
                draw.text((self.margin, begin + row * self.line), line, _TEXT, self.font)
            for number, picture in enumerate(pictures):
                self.draw_cell(whole, draw, picture, (left + number * (self.cell[0] + self.gap), top))
            top += self.cell[1] + self.gap
        return top + self.margin

    def draw_cell(
        self,
        whole: Image.Image,
        draw: ImageDraw.ImageDraw,
        picture: Path | UInt8Array | None,
        place: tuple[int, int],
    ) -> None:
        width, height = self.cell
        if picture is None:
            draw.rectangle((*place, place[0] + width - 1, place[1] + height - 1), _EMPTY)
            return
        image = _read(picture) if isinstance(picture, Path) else Image.fromarray(picture, "RGB")
        scale = min(width / image.width, height / image.height)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        if size != image.size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        whole.paste(image, (place[0] + (width - size[0]) // 2, place[1] + (height - size[1]) // 2))


def _shown(text: str) -> str:
    """Return a label in one line, without characters that cannot be shown."""
    return " ".join(display_text(text, _LONGEST_LABEL).split())


def _read(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.convert("RGB")
