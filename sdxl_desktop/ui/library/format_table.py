"""The choice of a weight format: one line for each, with what it costs, the suggested one marked."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QLabel, QRadioButton, QSizePolicy, QWidget

from sdxl_desktop.library.convert.forecast import Forecast
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.library.pieces import set_tone
from sdxl_desktop.ui.widgets.layout import muted

_HEADS = ("Format", "", "On the disk", "Memory to convert", "Time", "")
_FIRST_NUMBER = 2
_ORDER = (None, WeightFormat.FP32, WeightFormat.FP16, WeightFormat.INT8, WeightFormat.INT4)


class FormatTable(QWidget):
    """Edits the weight format; nothing is chosen that is not seen."""

    changed = Signal()

    def __init__(
        self,
        forecasts: Mapping[WeightFormat | None, Forecast],
        suggested: WeightFormat | None,
        *,
        memory: int,
        disk: int,
        as_it_is: str = words.READY_MADE,
    ) -> None:
        """`memory` and `disk` are the bytes that are free now; what does not fit in them is marked. `as_it_is` says
        what becomes of it without a format. The suggested format is chosen, and so is the only one; else none."""
        super().__init__()
        self._as_it_is = as_it_is
        self._formats = [weights for weights in _ORDER if weights in forecasts]
        self._group = QButtonGroup(self)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(24)
        self._grid.setVerticalSpacing(8)
        self._grid.setColumnStretch(1, 1)
        for column, head in enumerate(_HEADS):
            self._grid.addWidget(muted(head), 0, column, _side(column))
        for number, weights in enumerate(self._formats):
            marked = weights is not None and weights == suggested
            self._add(number, weights, forecasts[weights], marked, memory, disk)
        first = suggested if suggested is not None else self._formats[0] if len(self._formats) == 1 else None
        if first in self._formats and (first is not None or len(self._formats) == 1):
            self.button(first).setChecked(True)
        self._group.idToggled.connect(lambda _, on: self.changed.emit() if on else None)

    def _add(
        self, number: int, weights: WeightFormat | None, needed: Forecast, suggested: bool, memory: int, disk: int
    ) -> None:
        name = words.format_title(weights)
        meaning = weights.label if weights is not None else self._as_it_is
        button = QRadioButton(name)
        about = muted(meaning, wrap=True)
        about.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        cells = (words.size(needed.disk), words.size(needed.memory), words.about(needed.seconds))
        too_much = (needed.disk_meanwhile > disk, needed.memory > memory, False)
        button.setAccessibleName(name)
        said = f"{name}: {meaning}; {cells[0]} on the disk, {cells[1]} of memory, {cells[2]}"
        button.setAccessibleDescription(said + (", suggested" if suggested else ""))
        self._group.addButton(button, number)
        self._grid.addWidget(button, number + 1, 0)
        self._grid.addWidget(about, number + 1, 1)
        for column, (text, bad) in enumerate(zip(cells, too_much, strict=True), start=_FIRST_NUMBER):
            label = QLabel(text)
            set_tone(label, "bad" if bad else "")
            label.setToolTip("More than is free now" if bad else "")
            self._grid.addWidget(label, number + 1, column, _side(column))
        mark = QLabel("suggested" if suggested else "")
        set_tone(mark, "good")
        mark.setToolTip("Fits this computer's memory")
        self._grid.addWidget(mark, number + 1, len(_HEADS) - 1)

    def value(self) -> WeightFormat | None:
        """The chosen format; None also means parts that are taken as they are."""
        return self._formats[self._group.checkedId()] if self.chosen else None

    @property
    def chosen(self) -> bool:
        """Whether anything is chosen."""
        return self._group.checkedId() >= 0

    def choose(self, weights: WeightFormat | None) -> None:
        self.button(weights).setChecked(True)

    def button(self, weights: WeightFormat | None) -> QRadioButton:
        """The button of `weights`."""
        found = self._group.button(self._formats.index(weights))
        assert isinstance(found, QRadioButton)
        return found

    def first(self) -> QRadioButton | None:
        """Where the keyboard begins: the chosen line, else the first; None where there is no line."""
        wanted = self._formats[self._group.checkedId()] if self.chosen else next(iter(self._formats), None)
        return self.button(wanted) if self._formats else None

    def lines(self) -> tuple[str, ...]:
        """What the lines say, as a screen reader would."""
        return tuple(self.button(weights).accessibleDescription() for weights in self._formats)


def _side(column: int) -> Qt.AlignmentFlag:
    return Qt.AlignmentFlag.AlignRight if _FIRST_NUMBER <= column < len(_HEADS) - 1 else Qt.AlignmentFlag.AlignLeft
