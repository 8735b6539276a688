"""Keeps the exact value of a field that shows fewer decimals, until the user changes it."""

from __future__ import annotations

from sdxl_desktop.ui.widgets.fields import SliderField


class ExactNumber:
    """The exact value behind a `SliderField` that shows `decimals` of it: reused settings give the same picture."""

    def __init__(self, field: SliderField, decimals: int) -> None:
        self._field = field
        self._decimals = decimals
        self._exact = self._displayed = field.value()

    def value(self) -> float:
        shown = self._field.value()
        return self._exact if shown == self._displayed else round(shown, self._decimals)

    def set_value(self, value: float) -> None:
        """Show `value` rounded and keep it exactly. Does not emit."""
        self._field.set_value(value)
        self._exact, self._displayed = value, self._field.value()
