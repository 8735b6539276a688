"""One side of micro-conditioning, towards or away: three values, each as numbers and as a box to take hold of."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import MAX_SIDE
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.micro_drawing import STEP, CropDrawing, OriginalDrawing
from sdxl_desktop.ui.panels.size import FOUR_DIGITS
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.fields import IntField
from sdxl_desktop.ui.widgets.layout import Compound, column, labelled, muted, row
from sdxl_desktop.ui.widgets.plain import PlainLabel


@dataclass(frozen=True, slots=True)
class Side:
    """The three values of one side; None is Auto."""

    original: Size | None = None
    crop: Point | None = None
    target: Size | None = None


class _Pair(Compound):
    """Two numbers that may both be "Auto", and a button that makes them so; `between` is what stands between them."""

    changed = Signal()

    def __init__(self, name: str, sides: tuple[str, str], low: int, between: str) -> None:
        super().__init__()
        self._auto = low - 1
        self._fields = tuple(IntField(f"{name} {side}", self._auto, MAX_SIDE) for side in sides)
        self._reset = IconButton("reset", f"Reset {name.lower()}", glossary.RESET)
        for field in self._fields:
            field.setSpecialValueText("Auto")
            field.setValue(self._auto)
            field.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            field.setMinimumWidth(FOUR_DIGITS)
            field.setSingleStep(STEP)
            field.valueChanged.connect(self._moved)
        self.setLayout(row(self._fields[0], PlainLabel(between), self._fields[1], self._reset, spacing=4))
        self._reset.clicked.connect(self.reset)
        self._show_reset()

    def first_control(self) -> QWidget:
        return self._fields[0]

    def value(self) -> tuple[int | None, int | None]:
        first, second = (field.committed() for field in self._fields)
        return (None if first == self._auto else first), (None if second == self._auto else second)

    def set_value(self, first: int | None, second: int | None) -> None:
        with QSignalBlocker(self):
            self._put(first, second)

    def reset(self) -> None:
        """Back to Auto, as a person does it: it is told."""
        self.take(None, None)

    def take(self, first: int | None, second: int | None) -> None:
        """Set both at once, as a person does it: it is told once."""
        before = self.value()
        self.set_value(first, second)
        if self.value() != before:
            self.changed.emit()

    def _put(self, first: int | None, second: int | None) -> None:
        for field, value in zip(self._fields, (first, second), strict=True):
            field.setValue(self._auto if value is None else value)
        self._show_reset()

    def _moved(self) -> None:
        self._show_reset()
        self.changed.emit()

    def _show_reset(self) -> None:
        is_auto = all(field.value() == self._auto for field in self._fields)
        if is_auto and self._reset.hasFocus():
            self._fields[0].setFocus()
        self._reset.setEnabled(not is_auto)


class SizePair(_Pair):
    """Edits a `Size` or None."""

    def __init__(self, name: str) -> None:
        super().__init__(name, ("width", "height"), 1, "×")

    def read(self, picture: Size) -> Size | None:
        """None when both are Auto; one Auto alone takes the picture's side."""
        width, height = self.value()
        return None if width is None and height is None else Size(width or picture.width, height or picture.height)

    def show_size(self, size: Size | None) -> None:
        self.set_value(*((size.width, size.height) if size else (None, None)))


class PointPair(_Pair):
    """Edits a `Point` or None."""

    def __init__(self, name: str) -> None:
        super().__init__(name, ("left", "top"), 0, ",")

    def read(self) -> Point | None:
        x, y = self.value()
        return None if x is None and y is None else Point(x or 0, y or 0)

    def show_point(self, point: Point | None) -> None:
        self.set_value(*((point.x, point.y) if point else (None, None)))


@dataclass(frozen=True, slots=True)
class SideWords:
    """How one side's values are called to screen readers, and what each does."""

    prefix: str
    original: str
    crop: str
    target: str

    def name(self, value: str) -> str:
        return f"{self.prefix} {value}".strip().capitalize()


TOWARDS = SideWords("", glossary.ORIGINAL_SIZE, glossary.CROP, glossary.TARGET_SIZE)
AWAY = SideWords("negative", glossary.NEGATIVE_ORIGINAL_SIZE, glossary.NEGATIVE_CROP, glossary.NEGATIVE_TARGET_SIZE)


class MicroSide(QWidget):
    """Edits `Side`. What the boxes show is given from outside: Auto may follow the other side."""

    changed = Signal()

    def __init__(self, words: SideWords) -> None:
        super().__init__()
        self._picture = Size(1024, 1024)
        self.original = SizePair(words.name("original size"))
        self.crop = PointPair(words.name("crop"))
        self.target = SizePair(words.name("target size"))
        self.original_drawing = OriginalDrawing(words.name("original, to drag"))
        self.crop_drawing = CropDrawing(words.name("crop and target, to drag"))
        self._lay_out(words)
        self._connect()

    def _lay_out(self, words: SideWords) -> None:
        self.setLayout(
            column(
                row(self.original_drawing, self.crop_drawing),
                _explained("Original size", self.original, words.original),
                _explained("Crop from", self.crop, words.crop),
                _explained("Target size", self.target, words.target),
                spacing=12,
            )
        )

    def _connect(self) -> None:
        for pair in (self.original, self.crop, self.target):
            pair.changed.connect(self.changed)
        self.original_drawing.resized.connect(lambda size: self.original.take(size.width, size.height))
        self.original_drawing.reset_wanted.connect(self.original.reset)
        self.crop_drawing.moved.connect(lambda point: self.crop.take(point.x, point.y))
        self.crop_drawing.resized.connect(lambda size: self.target.take(size.width, size.height))
        self.crop_drawing.reset_wanted.connect(self.crop.reset)
        self.crop_drawing.reset_wanted.connect(self.target.reset)

    def value(self) -> Side:
        return Side(self.original.read(self._picture), self.crop.read(), self.target.read(self._picture))

    def set_value(self, side: Side) -> None:
        with QSignalBlocker(self):
            self.original.show_size(side.original)
            self.crop.show_point(side.crop)
            self.target.show_size(side.target)

    def draw(self, original: Size, crop: Point, target: Size, picture: Size) -> None:
        """Show these in the drawings; `picture` is the size that is drawn, which one side alone on Auto takes."""
        self._picture = picture
        self.original_drawing.show_values(original, picture)
        self.crop_drawing.show_values(original, crop, target)


def _explained(label: str, pair: _Pair, words: str) -> QVBoxLayout:
    """A labelled row with the sentence that says what it does."""
    return column(labelled(label, pair, tip=words), muted(words, wrap=True), spacing=2)
