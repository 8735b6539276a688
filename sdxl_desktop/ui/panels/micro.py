"""Micro-conditioning: the sizes and crop SDXL is told, off by default, with a small drawing of them."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import MAX_SIDE, MicroConditioning
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.micro_drawing import MicroDrawing
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.fields import IntField
from sdxl_desktop.ui.widgets.layout import Compound, Disclosure, column, labelled, muted, row


@dataclass(frozen=True, slots=True)
class MicroValue:
    """The panel's value: whether the values count, and the values, which are kept while they do not."""

    on: bool = False
    conditioning: MicroConditioning = MicroConditioning()

    @property
    def effective(self) -> MicroConditioning:
        return self.conditioning if self.on else MicroConditioning()


class _Pair(Compound):
    """Two numbers that may both be "Auto"; `between` is what stands between them."""

    changed = Signal()

    def __init__(self, name: str, sides: tuple[str, str], low: int, between: str) -> None:
        super().__init__()
        self._auto = low - 1
        self._fields = tuple(IntField(f"{name} {side}", self._auto, MAX_SIDE) for side in sides)
        for field in self._fields:
            field.setSpecialValueText("Auto")
            field.setValue(self._auto)
            field.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            field.setSingleStep(8)
            field.valueChanged.connect(self.changed)
        self.setLayout(row(self._fields[0], QLabel(between), self._fields[1]))

    def first_control(self) -> QWidget:
        return self._fields[0]

    def value(self) -> tuple[int | None, int | None]:
        first, second = (field.committed() for field in self._fields)
        return (None if first == self._auto else first), (None if second == self._auto else second)

    def set_value(self, first: int | None, second: int | None) -> None:
        with QSignalBlocker(self):
            for field, value in zip(self._fields, (first, second), strict=True):
                field.setValue(self._auto if value is None else value)


class _SizeRow(_Pair):
    def __init__(self, name: str) -> None:
        super().__init__(name, ("width", "height"), 1, "×")

    def read(self, picture: Size) -> Size | None:
        """None when both are Auto; one Auto alone takes the picture's side."""
        width, height = self.value()
        return None if width is None and height is None else Size(width or picture.width, height or picture.height)

    def show_size(self, size: Size | None) -> None:
        self.set_value(*((size.width, size.height) if size else (None, None)))


class _PointRow(_Pair):
    def __init__(self, name: str) -> None:
        super().__init__(name, ("left", "top"), 0, ",")

    def read(self) -> Point | None:
        x, y = self.value()
        return None if x is None and y is None else Point(x or 0, y or 0)

    def show_point(self, point: Point | None) -> None:
        self.set_value(*((point.x, point.y) if point else (None, None)))


class MicroPanel(QWidget):
    """Edits `MicroValue`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._picture = Size(1024, 1024)
        self._on = Switch()
        self._original, self._crop, self._target = _SizeRow("Original size"), _PointRow("Crop"), _SizeRow("Target size")
        self._negative_original = _SizeRow("Negative original size")
        self._negative_crop = _PointRow("Negative crop")
        self._negative_target = _SizeRow("Negative target size")
        self._drawing = MicroDrawing()
        self._inside = QWidget()
        self.section = Disclosure("&Micro-conditioning", self._inside, self._on)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self._on.setAccessibleName("Micro-conditioning")
        self._on.setToolTip(glossary.MICRO)
        self.section.set_tip(glossary.MICRO)
        self._inside.setEnabled(False)
        away = muted("Steer away from")
        away.setToolTip(glossary.NEGATIVE_MICRO)
        self._inside.setLayout(
            column(
                self._drawing,
                labelled("Original size", self._original, tip=glossary.ORIGINAL_SIZE),
                labelled("Crop from", self._crop, tip=glossary.CROP),
                labelled("Target size", self._target, tip=glossary.TARGET_SIZE),
                away,
                labelled("Original size", self._negative_original, tip=glossary.NEGATIVE_MICRO),
                labelled("Crop from", self._negative_crop, tip=glossary.NEGATIVE_MICRO),
                labelled("Target size", self._negative_target, tip=glossary.NEGATIVE_MICRO),
            )
        )
        self.setLayout(column(self.section))

    def _connect(self) -> None:
        self._on.toggled.connect(self._switched)
        self._on.clicked.connect(self._open_with_switch)
        for pair in self._pairs():
            pair.changed.connect(self._moved)

    def _pairs(self) -> tuple[_Pair, ...]:
        return (
            self._original,
            self._crop,
            self._target,
            self._negative_original,
            self._negative_crop,
            self._negative_target,
        )

    def value(self) -> MicroValue:
        return MicroValue(
            self._on.isChecked(),
            MicroConditioning(
                original_size=self._original.read(self._picture),
                crop_top_left=self._crop.read(),
                target_size=self._target.read(self._picture),
                negative_original_size=self._negative_original.read(self._picture),
                negative_crop_top_left=self._negative_crop.read(),
                negative_target_size=self._negative_target.read(self._picture),
            ),
        )

    def set_value(self, value: MicroValue) -> None:
        given = value.conditioning
        with QSignalBlocker(self):
            self._on.setChecked(value.on)
            self._original.show_size(given.original_size)
            self._crop.show_point(given.crop_top_left)
            self._target.show_size(given.target_size)
            self._negative_original.show_size(given.negative_original_size)
            self._negative_crop.show_point(given.negative_crop_top_left)
            self._negative_target.show_size(given.negative_target_size)
        self._draw()

    def set_picture_size(self, size: Size) -> None:
        """What Auto stands for."""
        self._picture = size
        self._draw()

    def _switched(self, on: bool) -> None:
        self._inside.setEnabled(on)
        self.changed.emit()

    def _open_with_switch(self, on: bool) -> None:
        if on:
            self.section.set_open(True)

    def _moved(self) -> None:
        self._draw()
        self.changed.emit()

    def _draw(self) -> None:
        self._drawing.show_values(*self.value().conditioning.positive_ids(self._picture))
