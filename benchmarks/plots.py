"""SVG bar charts for the benchmark page: a label, a bar on a track, a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _MARGIN = 820, 24
_LABELS, _VALUES = 240, 120
"""Pixels for labels to the left of the bars, and for numbers to their right."""
_BAR, _BETWEEN = 18, 10
_HEAD = 58
_GROUND, _TRACK, _TEXT, _MUTED = "#ffffff", "#f0f2f4", "#1f2328", "#626a73"
OURS, OTHERS = "#2a9d8f", "#9aa5b1"
_FONT = "font-family=\"Inter, 'Segoe UI', Helvetica, Arial, sans-serif\""


@dataclass(frozen=True)
class Bar:
    """One measurement: `words` is the text for `value` beside the bar. Bars of `ours` are coloured."""

    label: str
    value: float
    words: str
    ours: bool = True


def render_bars(title: str, subtitle: str, measured: Sequence[Bar], mark: float | None = None) -> str:
    """Return the plot as SVG: all bars on one scale from 0, and a dashed line at the upper limit `mark`."""
    height = _HEAD + len(measured) * (_BAR + _BETWEEN) + _MARGIN
    left, right = _MARGIN + _LABELS, _WIDTH - _MARGIN - _VALUES
    largest = max([bar.value for bar in measured] + ([mark] if mark is not None else []), default=0.0) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">',
        f'<rect width="{_WIDTH}" height="{height}" rx="8" fill="{_GROUND}"/>',
        _words(_MARGIN, 28, title, size=16, weight=600),
        _words(_MARGIN, 47, subtitle, size=12, fill=_MUTED),
    ]
    for number, bar in enumerate(measured):
        y = _HEAD + 4 + number * (_BAR + _BETWEEN)
        length = max(2.0, (right - left) * bar.value / largest)
        colour = OURS if bar.ours else OTHERS
        parts += [
            _words(_MARGIN, y + 13, bar.label, size=13),
            f'<rect x="{left}" y="{y}" width="{right - left}" height="{_BAR}" rx="4" fill="{_TRACK}"/>',
            f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="4" fill="{colour}"/>',
            _words(right + 12, y + 13, bar.words, size=13, weight=600),
        ]
    if mark is not None:
        x = left + (right - left) * mark / largest
        parts.append(
            f'<line x1="{x:.1f}" y1="{_HEAD}" x2="{x:.1f}" y2="{height - _MARGIN + 4}" stroke="{_MUTED}" '
            'stroke-dasharray="4 3"/>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _words(x: float, y: float, words: str, *, size: int, weight: int = 400, fill: str = _TEXT) -> str:
    return (
        f'<text x="{x}" y="{y}" {_FONT} font-size="{size}" font-weight="{weight}" fill="{fill}">{escape(words)}</text>'
    )
