"""One side of micro-conditioning, positive or negative: three values, each as numbers and as a draggable box."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import MAX_SIDE
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.panels.micro_conditioning_drawing import DRAG_STEP, CropEditor, OriginalSizeEditor
from sdxl_desktop.ui.panels.size_panel import FOUR_DIGITS_WIDTH
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.fields import IntField
from sdxl_desktop.ui.widgets.layout_helpers import CompoundField, column, labelled_row, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel


@dataclass(frozen=True, slots=True)
class MicroConditioningSideValue:
    """The three values of one side; None is Auto."""

    original: Size | None = None
    crop: Point | None = None
    target: Size | None = None


class NumberPairField(CompoundField):
    """Two numbers that may both be "Auto", and a button that resets them to it; `separator` is shown between them."""

    changed = Signal()

    def __init__(self, name: str, sides: tuple[str, str], low: int, separator: str) -> None:
        super().__init__()
        self._auto = low - 1
        self._fields = tuple(IntField(f"{name} {side}", self._auto, MAX_SIDE) for side in sides)
        self._reset_button = IconButton("reset", f"Reset {name.lower()}", tooltips.RESET)
        for field in self._fields:
            field.setSpecialValueText("Auto")
            field.setValue(self._auto)
            field.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            field.setMinimumWidth(FOUR_DIGITS_WIDTH)
            field.setSingleStep(DRAG_STEP)
            field.valueChanged.connect(self._handle_change)
        self.setLayout(row(self._fields[0], PlainTextLabel(separator), self._fields[1], self._reset_button, spacing=4))
        self._reset_button.clicked.connect(self.reset)
        self._update_reset_button()

    def focus_target(self) -> QWidget:
        return self._fields[0]

    def value(self) -> tuple[int | None, int | None]:
        first, second = (field.commit_value() for field in self._fields)
        return (None if first == self._auto else first), (None if second == self._auto else second)

    def set_value(self, first: int | None, second: int | None) -> None:
        with QSignalBlocker(self):
            self._set_fields(first, second)

    def reset(self) -> None:
        """Set both to Auto as a user would, emitting `changed`."""
        self.set_by_user(None, None)

    def set_by_user(self, first: int | None, second: int | None) -> None:
        """Set both as a user would, emitting `changed` once."""
        before = self.value()
        self.set_value(first, second)
        if self.value() != before:
            self.changed.emit()

    def _set_fields(self, first: int | None, second: int | None) -> None:
        for field, value in zip(self._fields, (first, second), strict=True):
            field.setValue(self._auto if value is None else value)
        self._update_reset_button()

    def _handle_change(self) -> None:
        self._update_reset_button()
        self.changed.emit()

    def _update_reset_button(self) -> None:
        is_auto = all(field.value() == self._auto for field in self._fields)
        if is_auto and self._reset_button.hasFocus():
            self._fields[0].setFocus()
        self._reset_button.setEnabled(not is_auto)


class SizePairField(NumberPairField):
    """Edits a `Size` or None."""

    def __init__(self, name: str) -> None:
        super().__init__(name, ("width", "height"), 1, "×")

    def read_size(self, picture: Size) -> Size | None:
        """Return None if both are Auto; if only one is, it takes the picture's side."""
        width, height = self.value()
        return None if width is None and height is None else Size(width or picture.width, height or picture.height)

    def set_size(self, size: Size | None) -> None:
        self.set_value(*((size.width, size.height) if size else (None, None)))


class PointPairField(NumberPairField):
    """Edits a `Point` or None."""

    def __init__(self, name: str) -> None:
        super().__init__(name, ("left", "top"), 0, ",")

    def read_point(self) -> Point | None:
        x, y = self.value()
        return None if x is None and y is None else Point(x or 0, y or 0)

    def set_point(self, point: Point | None) -> None:
        self.set_value(*((point.x, point.y) if point else (None, None)))


@dataclass(frozen=True, slots=True)
class SideTexts:
    """The accessible names of one side's values, and the help text of each."""

    prefix: str
    original: str
    crop: str
    target: str

    def accessible_name(self, value: str) -> str:
        return f"{self.prefix} {value}".strip().capitalize()


POSITIVE_TEXTS = SideTexts("", tooltips.ORIGINAL_SIZE, tooltips.CROP, tooltips.TARGET_SIZE)
NEGATIVE_TEXTS = SideTexts(
    "negative", tooltips.NEGATIVE_ORIGINAL_SIZE, tooltips.NEGATIVE_CROP, tooltips.NEGATIVE_TARGET_SIZE
)


class MicroConditioningSide(QWidget):
    """Edits `MicroConditioningSideValue`. The boxes are set from outside, as Auto may follow the other side."""

    changed = Signal()

    def __init__(self, texts: SideTexts) -> None:
        super().__init__()
        self._picture_size = Size(1024, 1024)
        self.original_field = SizePairField(texts.accessible_name("original size"))
        self.crop_field = PointPairField(texts.accessible_name("crop"))
        self.target_field = SizePairField(texts.accessible_name("target size"))
        self.original_drawing = OriginalSizeEditor(texts.accessible_name("original, to drag"))
        self.crop_drawing = CropEditor(texts.accessible_name("crop and target, to drag"))
        self._lay_out(texts)
        self._connect()

    def _lay_out(self, texts: SideTexts) -> None:
        self.setLayout(
            column(
                row(self.original_drawing, self.crop_drawing),
                _row_with_help("Original size", self.original_field, texts.original),
                _row_with_help("Crop from", self.crop_field, texts.crop),
                _row_with_help("Target size", self.target_field, texts.target),
                spacing=12,
            )
        )

    def _connect(self) -> None:
        for pair in (self.original_field, self.crop_field, self.target_field):
            pair.changed.connect(self.changed)
        self.original_drawing.resized.connect(lambda size: self.original_field.set_by_user(size.width, size.height))
        self.original_drawing.reset_requested.connect(self.original_field.reset)
        self.crop_drawing.crop_moved.connect(lambda point: self.crop_field.set_by_user(point.x, point.y))
        self.crop_drawing.target_resized.connect(lambda size: self.target_field.set_by_user(size.width, size.height))
        self.crop_drawing.reset_requested.connect(self.crop_field.reset)
        self.crop_drawing.reset_requested.connect(self.target_field.reset)

    def value(self) -> MicroConditioningSideValue:
        return MicroConditioningSideValue(
            self.original_field.read_size(self._picture_size),
            self.crop_field.read_point(),
            self.target_field.read_size(self._picture_size),
        )

    def set_value(self, side: MicroConditioningSideValue) -> None:
        with QSignalBlocker(self):
            self.original_field.set_size(side.original)
            self.crop_field.set_point(side.crop)
            self.target_field.set_size(side.target)

    def set_drawings(self, original: Size, crop: Point, target: Size, picture: Size) -> None:
        """Show these in the drawings; `picture` is the drawing size, which a single Auto number takes."""
        self._picture_size = picture
        self.original_drawing.set_values(original, picture)
        self.crop_drawing.set_values(original, crop, target)


def _row_with_help(label: str, pair: NumberPairField, text: str) -> QVBoxLayout:
    """Return a labelled row with its help text."""
    return column(labelled_row(label, pair, tooltip=text), muted_label(text, wrap=True), spacing=2)
