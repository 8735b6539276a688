"""Quantities as text, for all parts of the window."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """Format an approximate time: "a few seconds", "about 4 min", "about 1 h 20 min"."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {max(10, round(seconds / 10) * 10)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"about {hours} h {rest} min" if rest and hours < 10 else f"about {hours} h"
