"""Fields for numbers and choices: they ignore the wheel unless they have the focus, and commit as a whole.

All typed numbers use `IntField` or `FloatField`, so they are parsed the same way.
"""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QWidget,
)

from sdxl_desktop.ui.widgets.layout_helpers import CompoundField
from sdxl_desktop.ui.widgets.number_validator import NumberValidator, ValidationResult


class ComboBox(QComboBox):
    """A combo box that the wheel cannot change by accident while the column scrolls."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class _GuardedSlider(QSlider):
    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


def _configure_spin_box(spin_box: QAbstractSpinBox, name: str) -> None:
    spin_box.setAccessibleName(name)
    spin_box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    spin_box.setKeyboardTracking(False)
    spin_box.lineEdit().setTextMargins(7, 0, 0, 0)


class IntField(QSpinBox):
    """An integer, which can step by and snap to multiples."""

    def __init__(self, name: str, low: int, high: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._multiple = 1
        self._validator = NumberValidator(self, lambda value: self.textFromValue(int(value)), integer=True)
        self.setRange(low, high)
        _configure_spin_box(self, name)

    def set_multiple(self, multiple: int) -> None:
        """Accept only multiples of `multiple`, from `multiple` up; the current value is rounded to the nearest."""
        self._multiple = multiple
        self.setSingleStep(multiple)
        self.setMinimum(multiple)
        self.setValue(self._snap(self.value()))

    def validate(self, text: str, position: int) -> ValidationResult:
        return self._validator.validate(text, position)

    def fixup(self, text: str) -> str:
        return self._validator.fixup(text)

    def valueFromText(self, text: str) -> int:
        value = self._validator.value(text)
        return self.value() if value is None else self._snap(int(value))

    def _snap(self, value: int) -> int:
        multiple = self._multiple
        return value if multiple == 1 else max(multiple, (value + multiple // 2) // multiple * multiple)

    def commit_value(self) -> int:
        """Return the value, including text still being typed."""
        if not self._validator.shows_value():
            self.interpretText()
        return self.value()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class FloatField(QDoubleSpinBox):
    """A number with decimals."""

    def __init__(self, name: str, low: float, high: float, step: float, decimals: int) -> None:
        super().__init__()
        self._validator = NumberValidator(self, self.textFromValue, integer=False)
        self.setDecimals(decimals)
        self.setRange(low, high)
        self.setSingleStep(step)
        _configure_spin_box(self, name)

    def validate(self, text: str, position: int) -> ValidationResult:
        return self._validator.validate(text, position)

    def fixup(self, text: str) -> str:
        return self._validator.fixup(text)

    def valueFromText(self, text: str) -> float:
        value = self._validator.value(text)
        return self.value() if value is None else value

    def commit_value(self) -> float:
        """Return the value, including text still being typed."""
        if not self._validator.shows_value():
            self.interpretText()
        return self.value()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class SliderField(CompoundField):
    """A slider for the usual range next to a field for the full range, both showing one number."""

    changed = Signal()

    def __init__(self, field: IntField | FloatField, slider_high: float) -> None:
        super().__init__()
        self._field = field
        self._scale = 1.0 / field.singleStep() if isinstance(field, FloatField) else 1.0
        self._slider = _GuardedSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(round(field.minimum() * self._scale), round(slider_high * self._scale))
        self._slider.setPageStep(max(1, (self._slider.maximum() - self._slider.minimum()) // 10))
        self._slider.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._slider.setAccessibleName(f"{field.accessibleName()} slider")
        self._lay_out()
        self._sync_slider()
        field.valueChanged.connect(self._handle_field_changed)
        self._slider.valueChanged.connect(self._handle_slider_changed)

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        self._field.setFixedWidth(76)
        self._slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        row.addWidget(self._slider)
        row.addWidget(self._field)

    def focus_target(self) -> QWidget:
        return self._field

    def value(self) -> float:
        return float(self._field.commit_value())

    def set_value(self, value: float) -> None:
        with QSignalBlocker(self):
            if isinstance(self._field, IntField):
                self._field.setValue(round(value))
            else:
                self._field.setValue(value)

    def set_tooltip(self, tooltip: str) -> None:
        for widget in (self, self._field, self._slider):
            widget.setToolTip(tooltip)

    def _handle_field_changed(self) -> None:
        self._sync_slider()
        self.changed.emit()

    def _sync_slider(self) -> None:
        with QSignalBlocker(self._slider):
            self._slider.setValue(round(self._field.value() * self._scale))

    def _handle_slider_changed(self, position: int) -> None:
        if isinstance(self._field, IntField):
            self._field.setValue(round(position / self._scale))
        else:
            self._field.setValue(position / self._scale)
