"""Contact sheets: for each seed a row with both pictures and the map of their difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.paths import resources
from sdxl_desktop.library.quantize.differences import GAIN, Difference, difference_map

_LEAST_SIDE = 256
_GAP, _LINE = 16, 26
_INK, _FAINT, _PAPER = (24, 24, 27), (100, 100, 108), (250, 250, 250)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two pictures of one seed."""

    seed: int
    first: Pixels
    second: Pixels
    difference: Difference


def contact_sheet(prompt: str, names: tuple[str, str], pairs: Sequence[Pair]) -> Image.Image:
    """A sheet for the `pairs` of `prompt`, RGB, 8 bits [H, W, 3], pixel for pixel; small pictures are enlarged by a
    whole number."""
    height, width = pairs[0].first.shape[:2]
    times = max(1, -(-_LEAST_SIDE // min(width, height)))
    width, height = width * times, height * times
    row = height + _LINE + _GAP
    top = _GAP + 2 * _LINE
    sheet = Image.new("RGB", (3 * width + 4 * _GAP, top + len(pairs) * row + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_GAP, _GAP), prompt, sheet.width - 2 * _GAP, bold=True)
    for column, words in enumerate((*names, f"difference × {GAIN}")):
        _write(draw, (_GAP + column * (width + _GAP), _GAP + _LINE), words, width)
    for number, pair in enumerate(pairs):
        y = top + number * row
        shown = (pair.first, pair.second, difference_map(pair.first, pair.second))
        for column, pixels in enumerate(shown):
            tile = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(tile, (_GAP + column * (width + _GAP), y))
        _write(draw, (_GAP, y + height + 4), f"seed {pair.seed}: {words_of(pair.difference)}", sheet.width - 2 * _GAP)
    return sheet


def words_of(difference: Difference) -> str:
    """In words: "31.2 dB, mean difference 2.4 of 255"."""
    if difference.psnr is None:
        return "identical"
    return f"{difference.psnr:.1f} dB, mean difference {difference.mean:.1f} of 255"


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], words: str, room: int, *, bold: bool = False) -> None:
    """One line of `words` that fits in `room` pixels, cut short where it is longer."""
    file = "Inter-SemiBold.ttf" if bold else "Inter-Regular.ttf"
    font = ImageFont.truetype(str(resources() / "fonts" / file), 15)
    shown = words
    while shown and draw.textlength(shown if shown == words else f"{shown}…", font=font) > room:
        shown = shown[:-1]
    draw.text(place, shown if shown == words else f"{shown}…", font=font, fill=_INK if bold else _FAINT)
