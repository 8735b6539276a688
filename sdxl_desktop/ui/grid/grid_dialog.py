"""The dialog that asks which parameters a grid varies, and says how many pictures that makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialogButtonBox, QGridLayout, QLineEdit, QMenu, QPushButton, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.session.request_grid import (
    CHECKPOINT,
    LORA_WEIGHT,
    PROMPT,
    REPLACE,
    GridAxis,
    GridParameter,
    grid_parameters,
    grid_size,
    known_values,
    parse_axis_values,
)
from sdxl_desktop.ui.widgets.fields import ComboBox
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

MAX_PICTURES = 400
_DIRECTIONS = ("&Across", "&Down", "&Sections")
_FIRST = ("steps", "guidance", "scheduler", "seed", REPLACE, PROMPT, CHECKPOINT, LORA_WEIGHT)
"""The parameters that people vary most, listed first."""
_EXAMPLES = {
    REPLACE: "red, green, blue (the first is what the others replace)",
    PROMPT: "a cat; a dog",
    CHECKPOINT: "names, separated by commas",
    "seed": "1-4, or random, random",
    "size": "512x512, 768x512",
}
_INTRODUCTION = (
    "Draw every combination of up to three parameters, with the settings on the left for the rest. Each picture is "
    "kept, and one labelled picture shows all of them."
)


class _AxisRow:
    """The fields for one axis."""

    def __init__(self, label: str, changed: Callable[[], None]) -> None:
        name = label.replace("&", "")
        self.parameter_choice = ComboBox(f"{name}: parameter")
        self.values_field = QLineEdit()
        self.values_field.setAccessibleName(f"{name}: values")
        self.values_field.setClearButtonEnabled(True)
        self.menu_button = QPushButton("Choose")
        self.menu_button.setAutoDefault(False)
        self.menu_button.setAccessibleName(f"{name}: choose values")
        self.menu_button.setMenu(QMenu(self.menu_button))
        self._offered: dict[str, tuple[str, ...]] = {}
        self.label = PlainTextLabel(label)
        self.label.setBuddy(self.parameter_choice)
        self.parameter_choice.addItem("–", None)
        by_name = {one.name: one for one in grid_parameters()}
        rest = sorted((one for name, one in by_name.items() if name not in _FIRST), key=lambda one: one.label)
        for one in (*(by_name[name] for name in _FIRST), *rest):
            self.parameter_choice.addItem(one.label, one)
        self.parameter_choice.currentIndexChanged.connect(lambda _: self._update())
        self.parameter_choice.currentIndexChanged.connect(lambda _: changed())
        self.values_field.textChanged.connect(lambda _: changed())
        self._update()

    def parameter(self) -> GridParameter | None:
        chosen: GridParameter | None = self.parameter_choice.currentData()
        return chosen

    def axis(self) -> GridAxis | None:
        """Return the axis; None without a parameter. Raises RequestError for values that cannot be parsed."""
        parameter = self.parameter()
        return (
            None if parameter is None else GridAxis(parameter, parse_axis_values(parameter, self.values_field.text()))
        )

    def set_checkpoints(self, names: tuple[str, ...]) -> None:
        self._offered[CHECKPOINT] = names
        self._update()

    def _update(self) -> None:
        """Show an example of the parameter's values, and offer them if there is a list."""
        parameter = self.parameter()
        self.values_field.setEnabled(parameter is not None)
        offered = () if parameter is None else self._offered.get(parameter.name) or known_values(parameter)
        self.menu_button.setEnabled(bool(offered))
        menu = self.menu_button.menu()
        menu.clear()
        for value in offered:
            menu.addAction(value.replace("&", "&&")).triggered.connect(lambda _=False, value=value: self._add(value))
        if parameter is None:
            self.values_field.setPlaceholderText("")
        elif parameter.name in _EXAMPLES:
            self.values_field.setPlaceholderText(_EXAMPLES[parameter.name])
        elif offered:
            self.values_field.setPlaceholderText(", ".join(offered[:2]))
        else:
            self.values_field.setPlaceholderText("10, 20, 30 or 10-30 (+10)" if parameter.is_number else "")

    def _add(self, value: str) -> None:
        text = self.values_field.text().strip()
        separator = "; " if ";" in text else ", "
        self.values_field.setText(f"{text.rstrip(',; ')}{separator}{value}" if text else value)


class GridDialog(FittedDialog):
    """Emits `draw_requested` with the axes (tuple[GridAxis, ...])."""

    draw_requested = Signal(object)

    def __init__(self, parent: QWidget, forecast: Callable[[int], str]) -> None:
        """`forecast` returns how long so many pictures take, as text; "" if unknown."""
        super().__init__(parent)
        self.setWindowTitle("Draw a grid")
        self._forecast = forecast
        self._rows = [_AxisRow(label, self._update_count) for label in _DIRECTIONS]
        self._count_label = muted_label("", wrap=True)
        self._error_label = PlainTextLabel()
        self._error_label.setObjectName("shortage")
        self._error_label.setWordWrap(True)
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, parent=self
        )
        self._draw_button = self._buttons.button(QDialogButtonBox.StandardButton.Ok)
        self._draw_button.setText("Draw the grid")
        self._buttons.accepted.connect(self._accept)
        self._buttons.rejected.connect(self.reject)
        self._lay_out()
        self._rows[0].parameter_choice.setCurrentIndex(1)
        self._rows[0].values_field.setFocus()
        self._update_count()

    def _lay_out(self) -> None:
        fields = QWidget()
        grid = QGridLayout(fields)
        grid.setContentsMargins(0, 0, 0, 0)
        for number, one in enumerate(self._rows):
            for place, widget in enumerate((one.label, one.parameter_choice, one.values_field, one.menu_button)):
                grid.addWidget(widget, number, place)
            one.parameter_choice.setMinimumWidth(180)
            one.values_field.setMinimumWidth(260)
        grid.setColumnStretch(2, 1)
        self.setLayout(
            column(
                muted_label(_INTRODUCTION, wrap=True),
                fields,
                self._count_label,
                self._error_label,
                self._buttons,
                spacing=12,
                margins=(20, 16, 20, 16),
            )
        )

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Offer these checkpoints as values."""
        for one in self._rows:
            one.set_checkpoints(tuple(checkpoint.name for checkpoint in checkpoints))

    def axes(self) -> tuple[GridAxis, ...]:
        """Return the axes; raises RequestError for values that cannot be parsed."""
        found = (one.axis() for one in self._rows)
        return tuple(axis for axis in found if axis is not None)

    def show_error(self, text: str) -> None:
        """Show why the grid cannot be drawn; "": nothing."""
        self._error_label.setText(text)
        self._error_label.setVisible(bool(text))

    def _update_count(self) -> None:
        self.show_error("")
        self._draw_button.setEnabled(False)
        chosen = [one for one in self._rows if one.parameter() is not None]
        if not chosen or any(not one.values_field.text().strip() for one in chosen):
            self._count_label.setText("Choose a parameter and its values.")
            return
        try:
            axes = self.axes()
        except RequestError as problem:
            self._count_label.setText("")
            self.show_error(str(problem))
            return
        count = grid_size(axes)
        product = " × ".join(str(len(axis.values)) for axis in axes)
        words = f"{product} = {count} pictures" if len(axes) > 1 else "1 picture" if count == 1 else f"{count} pictures"
        if count > MAX_PICTURES:
            self._count_label.setText(words)
            self.show_error(f"At most {MAX_PICTURES} pictures fit into one grid. Choose fewer values.")
            return
        forecast = self._forecast(count)
        self._count_label.setText(f"{words}, {forecast}" if forecast else words)
        self._draw_button.setEnabled(True)

    def _accept(self) -> None:
        self.draw_requested.emit(self.axes())
