"""Reports of a comparison: contact sheets with a row per seed, and one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.library.convert.resource_estimate import format_bytes
from sdxl_desktop.library.quantize.comparison_result import (
    DIFFERENCE_GAIN,
    CheckpointComparison,
    ComparedCheckpoint,
    Difference,
    difference_map,
)

_LEAST_SIDE = 256
_GAP, _LINE = 16, 26
_INK, _FAINT, _PAPER = (24, 24, 27), (100, 100, 108), (250, 250, 250)
_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid #8884 }
td { font-variant-numeric: tabular-nums }
img { max-width: 100%; height: auto; image-rendering: pixelated; border-radius: 6px }
figure { margin: 2rem 0 }
.faint { opacity: .7 }
"""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two pictures of one seed."""

    seed: int
    first: Pixels
    second: Pixels
    difference: Difference


def contact_sheet(prompt: str, names: tuple[str, str], pairs: Sequence[Pair]) -> Image.Image:
    """Return a sheet of the `pairs` of `prompt`, pixel for pixel, RGB, 8 bits; small images are enlarged."""
    height, width = pairs[0].first.shape[:2]
    times = max(1, -(-_LEAST_SIDE // min(width, height)))
    width, height = width * times, height * times
    row = height + _LINE + _GAP
    top = _GAP + 2 * _LINE
    sheet = Image.new("RGB", (3 * width + 4 * _GAP, top + len(pairs) * row + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_GAP, _GAP), prompt, sheet.width - 2 * _GAP, bold=True)
    for column, words in enumerate((*names, f"difference × {DIFFERENCE_GAIN}")):
        _write(draw, (_GAP + column * (width + _GAP), _GAP + _LINE), words, width)
    for number, pair in enumerate(pairs):
        y = top + number * row
        shown = (pair.first, pair.second, difference_map(pair.first, pair.second))
        for column, pixels in enumerate(shown):
            tile = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(tile, (_GAP + column * (width + _GAP), y))
        _write(
            draw,
            (_GAP, y + height + 4),
            f"seed {pair.seed}: {difference_text(pair.difference)}",
            sheet.width - 2 * _GAP,
        )
    return sheet


def difference_text(difference: Difference) -> str:
    """As text: "31.2 dB, mean difference 2.4 of 255"."""
    if difference.psnr is None:
        return "identical"
    return f"{difference.psnr:.1f} dB, mean difference {difference.mean:.1f} of 255"


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], words: str, room: int, *, bold: bool = False) -> None:
    """Draw one line of `words`, truncated to `room` pixels."""
    file = "Inter-SemiBold.ttf" if bold else "Inter-Regular.ttf"
    font = ImageFont.truetype(str(resources_folder() / "fonts" / file), 15)
    shown = words
    while shown and draw.textlength(shown if shown == words else f"{shown}…", font=font) > room:
        shown = shown[:-1]
    draw.text(place, shown if shown == words else f"{shown}…", font=font, fill=_INK if bold else _FAINT)


def page(comparison: CheckpointComparison, sheets: Sequence[Path]) -> str:
    """Return the HTML of `comparison` with the images of `sheets` embedded."""
    first, second = comparison.first, comparison.second
    title = f"{first.name} and {second.name}"
    figures = "\n".join(
        f'<figure><img alt="{escape(sheet.stem)}" src="data:image/png;base64,'
        f'{base64.b64encode(sheet.read_bytes()).decode()}"></figure>'
        for sheet in sheets
    )
    rows = "\n".join(
        f"<tr><th>{escape(head)}</th>{''.join(f'<td>{escape(value)}</td>' for value in values)}</tr>"
        for head, *values in table(first, second)
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head><body>\n<h1>{escape(title)}</h1>\n"
        f"<p>{escape(summary(comparison))}</p>\n<p class=faint>{escape(comparison.settings)}</p>\n"
        f"<table><tr><th></th><th>{escape(first.name)}</th><th>{escape(second.name)}</th></tr>\n{rows}</table>\n"
        f"{figures}\n</body></html>\n"
    )


def summary(comparison: CheckpointComparison) -> str:
    """Return a sentence that says how different the images are and how to read it."""
    count = len(comparison.pairs)
    pictures = f"{count} pair{'s' if count != 1 else ''} of pictures with the same words and seed"
    if comparison.psnr is None:
        return f"{pictures}: identical."
    return (
        f"{pictures}: {comparison.psnr:.1f} dB, mean difference {comparison.mean:.1f} of 255. "
        "Above about 35 dB two pictures can hardly be told apart; below about 20 dB they are different pictures, which "
        "may be as good: look at them."
    )


def table(first: ComparedCheckpoint, second: ComparedCheckpoint) -> list[tuple[str, str, str]]:
    """Return the measurements of both sides as text."""
    rows = [
        ("weights", *(side.weights or "not known" for side in (first, second))),
        ("on the disk", *(format_bytes(side.bytes) for side in (first, second))),
        ("a step", *(f"{side.seconds_per_step:.3f} s" for side in (first, second))),
        ("peak memory while drawing", *(format_bytes(side.memory_drawing) for side in (first, second))),
        ("peak memory, loading included", *(format_bytes(side.memory) for side in (first, second))),
    ]
    return [(head, one, other) for head, one, other in rows]
