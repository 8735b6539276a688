"""The range check that every part of a request uses."""

from __future__ import annotations

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.number_parsing import format_number


def check_range(label: str, value: float, minimum: float, maximum: float) -> None:
    """Raise RequestError unless `minimum` <= `value` <= `maximum`; NaN is refused too."""
    if not minimum <= value <= maximum:
        raise RequestError(
            f"{label} is {format_number(value)}.",
            next_step=f"It must lie between {format_number(minimum)} and {format_number(maximum)}.",
        )
