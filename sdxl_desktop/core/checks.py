"""The one check that every part of a request needs."""

from __future__ import annotations

from sdxl_desktop.core.errors import RequestError


def within(what: str, value: float, low: float, high: float) -> None:
    """Raise RequestError unless `low` <= `value` <= `high`; refuses NaN too."""
    if not low <= value <= high:
        raise RequestError(f"{what} is {value:g}.", next_step=f"It must lie between {low:g} and {high:g}.")
