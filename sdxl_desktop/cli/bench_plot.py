"""The plot of a bench: horizontal bars on white with numbers, drawn with Pillow only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sdxl_desktop.cli.bench_measure import DeviceTimes
from sdxl_desktop.core.errors import OutputError
from sdxl_desktop.core.paths import resources_folder

WIDTH = 1600
MARGIN = 72
_LABEL_WIDTH = 400
"""Pixels for the labels left of the bars."""
_VALUE_WIDTH = 190
"""Pixels for the numbers right of the bars."""
_BAR, _BETWEEN_BARS, _BETWEEN_ROWS, _BETWEEN_SECTIONS = 30, 6, 16, 56

_BACKGROUND, _TRACK, _TEXT, _MUTED = "#ffffff", "#f3f5f7", "#1f2328", "#626a73"
_SERIES = ("#2a9d8f", "#5b8def", "#e9a23b", "#c86b98", "#8a7fd1", "#7a8b99")
"""One colour per device, distinguishable with colour vision deficiency."""


@dataclass(frozen=True, slots=True)
class PlotRow:
    """A label and the value of each series; None if a series has none."""

    label: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class PlotSection:
    """Rows in one unit, drawn to one scale."""

    title: str
    rows: tuple[PlotRow, ...]

    @property
    def largest(self) -> float:
        return max((value for row in self.rows for value in row.values if value is not None), default=0.0)


def plot_sections(devices: Sequence[DeviceTimes]) -> tuple[PlotSection, ...]:
    """Return the plottable measurements, in seconds."""
    steps = [{each.speed.capitalize(): each.seconds_per_step for each in times.speeds} for times in devices]
    picture = [{each.speed.capitalize(): each.picture for each in times.speeds} for times in devices]
    around = [{"Encode the prompt": times.encode, "Decode the picture": times.decode} for times in devices]
    ready = [
        {"Load the checkpoint": times.load, **{_capital(part.title): part.seconds for part in times.parts}}
        for times in devices
    ]
    compiled = any(part.compiled for times in devices for part in times.parts)
    getting_ready = (
        "Getting ready: compiling each part" if compiled else "Getting ready: every part was compiled before"
    )
    named = (
        ("A denoising step", steps),
        ("A whole picture", picture),
        ("Before and after denoising", around),
        (getting_ready, ready),
    )
    return tuple(PlotSection(title, _rows(series)) for title, series in named)


def write_plot(file: Path, *, title: str, subtitle: str, devices: Sequence[DeviceTimes]) -> None:
    """Write the plot as PNG; raises OutputError if it cannot be written."""
    drawn = draw_plot(title, subtitle, [_name(times) for times in devices], plot_sections(devices))
    try:
        drawn.save(file)
    except OSError as problem:
        raise OutputError(f"{file} cannot be written.", why=f"{problem.strerror or problem}.") from problem


def draw_plot(title: str, subtitle: str, series: Sequence[str], parts: Sequence[PlotSection]) -> Image.Image:
    """Return the plot, RGB, 8 bits [H, WIDTH, 3], as high as needed."""
    picture = Image.new("RGB", (WIDTH, _height(parts, len(series))), _BACKGROUND)
    pen = ImageDraw.Draw(picture)
    y = MARGIN
    pen.text((MARGIN, y), title, font=_font(46, bold=True), fill=_TEXT)
    y += 68
    pen.text((MARGIN, y), subtitle, font=_font(26), fill=_MUTED)
    y += 50
    for name, colour in zip(series, _colours(len(series)), strict=True):
        pen.rounded_rectangle((MARGIN, y + 6, MARGIN + 22, y + 28), 5, fill=colour)
        pen.text((MARGIN + 34, y + 1), name, font=_font(26), fill=_TEXT)
        y += 38
    y += _BETWEEN_SECTIONS
    for section in parts:
        y = _section(pen, y, section)
    when = time.strftime("%Y-%m-%d")
    pen.text((MARGIN, y - 12), f"Shorter is better. Measured on {when}.", font=_font(22), fill=_MUTED)
    return picture


def _section(pen: ImageDraw.ImageDraw, y: int, section: PlotSection) -> int:
    """Draw the section at `y`; return where the next begins."""
    pen.text((MARGIN, y), section.title, font=_font(30, bold=True), fill=_TEXT)
    y += 58
    left, right = MARGIN + _LABEL_WIDTH, WIDTH - MARGIN - _VALUE_WIDTH
    for row in section.rows:
        height = _row_height(row)
        pen.text((MARGIN, y + height / 2), row.label, font=_font(26), fill=_TEXT, anchor="lm")
        for value, colour in zip(row.values, _colours(len(row.values)), strict=True):
            pen.rounded_rectangle((left, y, right, y + _BAR), 6, fill=_TRACK)
            if value is not None:
                length = (right - left) * value / section.largest if section.largest > 0 else 0.0
                pen.rounded_rectangle((left, y, left + max(length, 6.0), y + _BAR), min(6, _BAR // 2), fill=colour)
            words = "–" if value is None else format_seconds(value)
            pen.text((right + 20, y + _BAR / 2), words, font=_font(26, bold=True), fill=_TEXT, anchor="lm")
            y += _BAR + _BETWEEN_BARS
        y += _BETWEEN_ROWS - _BETWEEN_BARS
    return y + _BETWEEN_SECTIONS - _BETWEEN_ROWS


def format_seconds(seconds: float) -> str:
    """Format with three significant digits: "0.6 ms", "48 ms", "4.21 s", "38.5 s", "2 min 10 s"."""
    if seconds >= 120:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    if seconds >= 10:
        return f"{seconds:.1f} s"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def _height(parts: Sequence[PlotSection], series: int) -> int:
    rows = sum(_row_height(row) + _BETWEEN_ROWS for part in parts for row in part.rows)
    headings = len(parts) * (58 + _BETWEEN_SECTIONS - _BETWEEN_ROWS)
    return MARGIN + 68 + 50 + 38 * series + _BETWEEN_SECTIONS + rows + headings + MARGIN


def _row_height(row: PlotRow) -> int:
    return len(row.values) * (_BAR + _BETWEEN_BARS) - _BETWEEN_BARS


def _rows(series: Sequence[dict[str, float]]) -> tuple[PlotRow, ...]:
    labels = dict.fromkeys(label for values in series for label in values)
    return tuple(PlotRow(label, tuple(values.get(label) for values in series)) for label in labels)


def _colours(count: int) -> tuple[str, ...]:
    return tuple(_SERIES[n % len(_SERIES)] for n in range(count))


def _name(times: DeviceTimes) -> str:
    return f"{times.device} · {times.full_name}" if times.full_name else times.device


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    name = "Inter-SemiBold.ttf" if bold else "Inter-Regular.ttf"
    try:
        return ImageFont.truetype(str(resources_folder() / "fonts" / name), size)
    except OSError:  # fall back to Pillow's own font
        return ImageFont.load_default(size)
