"""A choice by cost: a row for each option with disk, memory and time; the suggested one is marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QRadioButton, QSizePolicy, QWidget

from sdxl_desktop.library.convert.resource_estimate import ResourceEstimate
from sdxl_desktop.ui.formatting import format_duration
from sdxl_desktop.ui.library import library_formatting
from sdxl_desktop.ui.library.common_widgets import set_tone
from sdxl_desktop.ui.widgets.layout_helpers import muted_label
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel, escape_mnemonic, plain_text_tooltip

_FIRST_NUMERIC_COLUMN = 2
_COLUMN_COUNT = 6

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class CostRow(Generic[K]):
    """An option: its `name`, `description` and cost. Without a forecast it cannot be selected, and the description
    says why."""

    key: K
    name: str
    description: str
    forecast: ResourceEstimate | None
    suggested: bool = False


class CostTable(QWidget, Generic[K]):
    """Edits the selected row; only a visible row can be selected."""

    changed = Signal()

    def __init__(
        self, rows: Sequence[CostRow[K]], *, memory: int, disk: int, headers: tuple[str, str], suggestion: str
    ) -> None:
        """`memory` and `disk` are the free bytes; costs above them are marked. `headers` are the headings of the option
        column and the memory column; `suggestion` says why an option is suggested."""
        super().__init__()
        self._rows, self._memory, self._disk, self._suggestion = tuple(rows), memory, disk, suggestion
        self._cells: list[tuple[PlainTextLabel, PlainTextLabel, PlainTextLabel]] = []
        self._group = QButtonGroup(self)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(24)
        self._grid.setVerticalSpacing(8)
        self._grid.setColumnStretch(1, 1)
        for column, head in enumerate((headers[0], "", "On the disk", headers[1], "Time", "")):
            self._grid.addWidget(muted_label(head), 0, column, _column_alignment(column))
        for number, line in enumerate(self._rows):
            self._add_row(number, line)
        self._group.idToggled.connect(lambda _, on: self.changed.emit() if on else None)

    def _add_row(self, number: int, row: CostRow[K]) -> None:
        button = QRadioButton(escape_mnemonic(row.name))
        button.setAccessibleName(row.name)
        button.setEnabled(row.forecast is not None)
        about = muted_label(row.description, wrap=True)
        about.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._group.addButton(button, number)
        self._grid.addWidget(button, number + 1, 0)
        self._grid.addWidget(about, number + 1, 1)
        cells = (PlainTextLabel(), PlainTextLabel(), PlainTextLabel())
        for column, label in enumerate(cells, start=_FIRST_NUMERIC_COLUMN):
            self._grid.addWidget(label, number + 1, column, _column_alignment(column))
        self._cells.append(cells)
        mark = PlainTextLabel("suggested" if row.suggested else "")
        set_tone(mark, "good")
        mark.setToolTip(plain_text_tooltip(self._suggestion))
        self._grid.addWidget(mark, number + 1, _COLUMN_COUNT - 1)
        self._show_cost(number, row.forecast)

    def show_forecasts(self, forecasts: Mapping[K, ResourceEstimate]) -> None:
        """Update the costs of the rows."""
        for number, line in enumerate(self._rows):
            if line.key in forecasts:
                self._show_cost(number, forecasts[line.key])

    def _show_cost(self, number: int, forecast: ResourceEstimate | None) -> None:
        line, button = self._rows[number], self._group.button(number)
        if forecast is None:
            button.setAccessibleDescription(f"{line.name}: {line.description}")
            return
        texts = (
            library_formatting.format_size(forecast.disk),
            library_formatting.format_size(forecast.memory),
            format_duration(forecast.seconds),
        )
        too_much = (forecast.disk_meanwhile > self._disk, forecast.memory > self._memory, False)
        for label, text, bad in zip(self._cells[number], texts, too_much, strict=True):
            label.setText(text)
            set_tone(label, "bad" if bad else "")
            label.setToolTip("More than is free now" if bad else "")
        accessible_text = f"{line.name}: {line.description}; {texts[0]} on the disk, {texts[1]} of memory, {texts[2]}"
        button.setAccessibleDescription(accessible_text + (", suggested" if line.suggested else ""))

    def selected_key(self) -> K | None:
        """Return the selected key, which may itself be None."""
        return self._rows[self._group.checkedId()].key if self.has_selection else None

    @property
    def has_selection(self) -> bool:
        """Return whether a row is selected."""
        return self._group.checkedId() >= 0

    def select(self, key: K) -> None:
        self.button(key).setChecked(True)

    def button(self, key: K) -> QRadioButton:
        """Return the radio button of `key`."""
        found = self._group.button([line.key for line in self._rows].index(key))
        assert isinstance(found, QRadioButton)
        return found

    def focus_target(self) -> QRadioButton | None:
        """Return the widget for the initial focus: the selected row, else the first; None if there are no rows."""
        if not self._rows:
            return None
        return self.button(self._rows[max(0, self._group.checkedId())].key)

    def row_texts(self) -> tuple[str, ...]:
        """Return the rows' texts as a screen reader would read them."""
        return tuple(self.button(line.key).accessibleDescription() for line in self._rows)


def _column_alignment(column: int) -> Qt.AlignmentFlag:
    return (
        Qt.AlignmentFlag.AlignRight
        if _FIRST_NUMERIC_COLUMN <= column < _COLUMN_COUNT - 1
        else Qt.AlignmentFlag.AlignLeft
    )
