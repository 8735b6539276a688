"""A choice by what it costs: a line for each, with disk, memory and time, the suggested one marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QRadioButton, QSizePolicy, QWidget

from sdxl_desktop.library.convert.forecast import Forecast
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.library.pieces import set_tone
from sdxl_desktop.ui.widgets.layout import muted
from sdxl_desktop.ui.widgets.plain import PlainLabel, plain_action, plain_tip

_FIRST_NUMBER = 2
_COLUMNS = 6

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class CostLine(Generic[K]):
    """What can be chosen: its `name` and `meaning`, and what it costs. Without a forecast it cannot be chosen, and the
    meaning says why."""

    key: K
    name: str
    meaning: str
    forecast: Forecast | None
    suggested: bool = False


class CostTable(QWidget, Generic[K]):
    """Edits which line is chosen; nothing is chosen that is not seen."""

    changed = Signal()

    def __init__(
        self, lines: Sequence[CostLine[K]], *, memory: int, disk: int, heads: tuple[str, str], suggestion: str
    ) -> None:
        """`memory` and `disk` are the bytes that are free now; what does not fit in them is marked. `heads` are those
        of the choice and of its memory; `suggestion` says why one is suggested."""
        super().__init__()
        self._lines, self._memory, self._disk, self._suggestion = tuple(lines), memory, disk, suggestion
        self._cells: list[tuple[PlainLabel, PlainLabel, PlainLabel]] = []
        self._group = QButtonGroup(self)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(24)
        self._grid.setVerticalSpacing(8)
        self._grid.setColumnStretch(1, 1)
        for column, head in enumerate((heads[0], "", "On the disk", heads[1], "Time", "")):
            self._grid.addWidget(muted(head), 0, column, _side(column))
        for number, line in enumerate(self._lines):
            self._add(number, line)
        self._group.idToggled.connect(lambda _, on: self.changed.emit() if on else None)

    def _add(self, number: int, line: CostLine[K]) -> None:
        button = QRadioButton(plain_action(line.name))
        button.setAccessibleName(line.name)
        button.setEnabled(line.forecast is not None)
        about = muted(line.meaning, wrap=True)
        about.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._group.addButton(button, number)
        self._grid.addWidget(button, number + 1, 0)
        self._grid.addWidget(about, number + 1, 1)
        cells = (PlainLabel(), PlainLabel(), PlainLabel())
        for column, label in enumerate(cells, start=_FIRST_NUMBER):
            self._grid.addWidget(label, number + 1, column, _side(column))
        self._cells.append(cells)
        mark = PlainLabel("suggested" if line.suggested else "")
        set_tone(mark, "good")
        mark.setToolTip(plain_tip(self._suggestion))
        self._grid.addWidget(mark, number + 1, _COLUMNS - 1)
        self._show_cost(number, line.forecast)

    def show_forecasts(self, forecasts: Mapping[K, Forecast]) -> None:
        """What the lines cost now."""
        for number, line in enumerate(self._lines):
            if line.key in forecasts:
                self._show_cost(number, forecasts[line.key])

    def _show_cost(self, number: int, needed: Forecast | None) -> None:
        line, button = self._lines[number], self._group.button(number)
        if needed is None:
            button.setAccessibleDescription(f"{line.name}: {line.meaning}")
            return
        texts = (words.size(needed.disk), words.size(needed.memory), words.about(needed.seconds))
        too_much = (needed.disk_meanwhile > self._disk, needed.memory > self._memory, False)
        for label, text, bad in zip(self._cells[number], texts, too_much, strict=True):
            label.setText(text)
            set_tone(label, "bad" if bad else "")
            label.setToolTip("More than is free now" if bad else "")
        said = f"{line.name}: {line.meaning}; {texts[0]} on the disk, {texts[1]} of memory, {texts[2]}"
        button.setAccessibleDescription(said + (", suggested" if line.suggested else ""))

    def value(self) -> K | None:
        """The chosen key, which may be None, too."""
        return self._lines[self._group.checkedId()].key if self.chosen else None

    @property
    def chosen(self) -> bool:
        """Whether anything is chosen."""
        return self._group.checkedId() >= 0

    def choose(self, key: K) -> None:
        self.button(key).setChecked(True)

    def button(self, key: K) -> QRadioButton:
        """The button of `key`."""
        found = self._group.button([line.key for line in self._lines].index(key))
        assert isinstance(found, QRadioButton)
        return found

    def first(self) -> QRadioButton | None:
        """Where the keyboard begins: the chosen line, else the first; None where there is no line."""
        if not self._lines:
            return None
        return self.button(self._lines[max(0, self._group.checkedId())].key)

    def lines(self) -> tuple[str, ...]:
        """What the lines say, as a screen reader would."""
        return tuple(self.button(line.key).accessibleDescription() for line in self._lines)


def _side(column: int) -> Qt.AlignmentFlag:
    return Qt.AlignmentFlag.AlignRight if _FIRST_NUMBER <= column < _COLUMNS - 1 else Qt.AlignmentFlag.AlignLeft
