"""The page that shows a comparison: one HTML file with everything in it, to be opened in any browser."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from sdxl_desktop.library.convert.forecast import gigabytes
from sdxl_desktop.library.quantize.comparison import Comparison, Side

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


def page(comparison: Comparison, sheets: Sequence[Path]) -> str:
    """The HTML of `comparison`, with the pictures of `sheets` in it."""
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


def summary(comparison: Comparison) -> str:
    """How far the pictures are apart, in a sentence, and how to read it."""
    count = len(comparison.pairs)
    pictures = f"{count} pair{'s' if count != 1 else ''} of pictures with the same words and seed"
    if comparison.psnr is None:
        return f"{pictures}: identical."
    return (
        f"{pictures}: {comparison.psnr:.1f} dB, mean difference {comparison.mean:.1f} of 255. "
        "Above about 35 dB two pictures can hardly be told apart; below about 20 dB they are different pictures, which "
        "may be as good: look at them."
    )


def table(first: Side, second: Side) -> list[tuple[str, str, str]]:
    """What was measured of both sides, in words."""
    rows = [
        ("weights", *(side.weights or "not known" for side in (first, second))),
        ("on the disk", *(gigabytes(side.bytes) for side in (first, second))),
        ("a step", *(f"{side.seconds_per_step:.3f} s" for side in (first, second))),
        ("memory while drawing, at most", *(gigabytes(side.memory_drawing) for side in (first, second))),
        ("memory, getting ready included", *(gigabytes(side.memory) for side in (first, second))),
    ]
    return [(head, one, other) for head, one, other in rows]
