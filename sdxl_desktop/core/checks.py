"""The one check that every part of a request needs."""

from __future__ import annotations

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.numbers import in_words


def within(what: str, value: float, low: float, high: float) -> None:
    """Raise RequestError unless `low` <= `value` <= `high`; refuses NaN too."""
    if not low <= value <= high:
        raise RequestError(
            f"{what} is {in_words(value)}.",
            next_step=f"It must lie between {in_words(low)} and {in_words(high)}.",
        )
