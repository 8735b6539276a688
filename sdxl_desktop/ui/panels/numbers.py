"""The rows of declared numbers: each one's label, help, choices and step come from its declaration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, cast

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QHBoxLayout

from sdxl_desktop.core.scalars import NumberRow, scalars
from sdxl_desktop.ui.panels.exact_number import ExactNumber
from sdxl_desktop.ui.widgets.fields import FloatField, IntField, SliderField
from sdxl_desktop.ui.widgets.layout_helpers import labelled_row


class NumberRows(QObject):
    """Edits the numbers `names` of the dataclass `kind`, each in a row of its own that a panel places."""

    changed = Signal()

    def __init__(self, kind: type, names: Sequence[str]) -> None:
        super().__init__()
        self._declared = {name: _row_of(kind, name) for name in names}
        self.fields = {name: _field(kind, name) for name in names}
        self._usual = {one.name: one.default for one in fields(cast(Any, kind))}
        self._exact = {name: ExactNumber(field, self._declared[name].decimals) for name, field in self.fields.items()}
        for field in self.fields.values():
            field.changed.connect(self.changed)

    def row(self, name: str) -> QHBoxLayout:
        """Return the row of one number; it can be placed only once."""
        return labelled_row(self._declared[name].label, self.fields[name], tooltip=self._declared[name].help)

    def rows(self) -> list[QHBoxLayout]:
        """Return all rows, in order."""
        return [self.row(name) for name in self.fields]

    def help(self, name: str) -> str:
        """Return the tooltip of one number."""
        return self._declared[name].help

    def values(self) -> dict[str, Any]:
        """Return the numbers by name, as float or, without decimals, int."""
        return {
            name: exact.value() if self._declared[name].decimals else round(exact.value())
            for name, exact in self._exact.items()
        }

    def set_values(self, part: object) -> None:
        """Show the numbers that `part` has as attributes. Does not emit."""
        for name in self._exact:
            self.set_value(name, getattr(part, name))

    def set_value(self, name: str, value: float) -> None:
        """Show one number. Does not emit."""
        self._exact[name].set_value(value)

    def summary(self) -> list[str]:
        """Describe the numbers that are not at their defaults."""
        return [
            f"{self._declared[name].label.replace('&', '')} {value:.{self._declared[name].decimals}f}"
            for name, value in self.values().items()
            if value != self._usual[name]
        ]


def _row_of(kind: type, name: str) -> NumberRow:
    row = scalars(kind)[name].row
    if row is None:
        raise ValueError(f"{kind.__name__}.{name} is not declared with a row")
    return row


def _field(kind: type, name: str) -> SliderField:
    row, (low, high) = _row_of(kind, name), scalars(kind)[name].range
    number = (
        FloatField(row.name, low, high, row.step, row.decimals)
        if row.decimals
        else IntField(row.name, round(low), round(high))
    )
    field = SliderField(number, row.slider_high)
    field.set_tooltip(row.help)
    return field
