"""The picture's size: a preset of the trained shapes, width and height, and a button that swaps them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPainter, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import MAX_SIDE, SIZE_MULTIPLE
from sdxl_desktop.ui import tooltips
from sdxl_desktop.ui.size_presets import SizePreset, size_presets_for
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.fields import ComboBox, IntField
from sdxl_desktop.ui.widgets.layout_helpers import column, labelled_row, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

_CUSTOM_TEXT = "Custom size"
FOUR_DIGITS_WIDTH = 66
"""Width of four digits and the arrows, in logical pixels."""


class SizePanel(QWidget):
    """Edits a `Size` that the checkpoint supports."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._shapes: tuple[SizePreset, ...] = ()
        self._checkpoint: Checkpoint | None = None
        self._preset = ComboBox("Size preset")
        self._width = IntField("Width in pixels", SIZE_MULTIPLE, MAX_SIDE)
        self._height = IntField("Height in pixels", SIZE_MULTIPLE, MAX_SIDE)
        self._swap_button = IconButton("swap", "Swap width and height", tooltips.SWAP)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self._preset.setIconSize(QSize(20, 20))
        sides = QWidget()
        sides.setLayout(row(self._width, PlainTextLabel("×"), self._height, self._swap_button))
        for side in (self._width, self._height):
            side.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            side.setMinimumWidth(FOUR_DIGITS_WIDTH)
        self.setLayout(
            column(labelled_row("Si&ze", self._preset, tooltip=tooltips.SIZE), labelled_row("", sides), spacing=6),
        )

    def _connect(self) -> None:
        self._preset.activated.connect(self._apply_preset)
        self._width.valueChanged.connect(self._handle_change)
        self._height.valueChanged.connect(self._handle_change)
        self._swap_button.clicked.connect(lambda: self._set_size(self.value().swapped()))

    def value(self) -> Size:
        return Size(self._width.commit_value(), self._height.commit_value())

    def set_value(self, size: Size) -> None:
        with QSignalBlocker(self):
            self._set_size(size)

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Offer this checkpoint's shapes and snap the current size to its multiple."""
        self._checkpoint = checkpoint
        with QSignalBlocker(self):
            for side in (self._width, self._height):
                side.set_multiple(checkpoint.size_multiple)
                side.setToolTip(tooltips.SIZE_MULTIPLE.format(multiple=checkpoint.size_multiple))
            self._shapes = size_presets_for(checkpoint)
            self._fill_presets()

    def _fill_presets(self) -> None:
        self._preset.clear()
        colour = self.palette().color(QPalette.ColorRole.WindowText)
        for shape in self._shapes:
            self._preset.addItem(_shape_icon(shape.size, QPen(colour, 1.5)), shape.label)
        self._preset.addItem(_CUSTOM_TEXT)
        self._sync_preset()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._fill_presets()

    def _apply_preset(self, index: int) -> None:
        if index < len(self._shapes):
            self._set_size(self._shapes[index].size)
        else:
            self._width.setFocus()
            self._width.selectAll()

    def _set_size(self, size: Size) -> None:
        before = self.value()
        for side, wanted in ((self._width, size.width), (self._height, size.height)):
            with QSignalBlocker(side):
                side.setValue(wanted)
        self._sync_preset()
        if self.value() != before:
            self.changed.emit()

    def _handle_change(self) -> None:
        self._sync_preset()
        self.changed.emit()

    def _sync_preset(self) -> None:
        size = Size(self._width.value(), self._height.value())
        sizes = [shape.size for shape in self._shapes]
        self._preset.setCurrentIndex(sizes.index(size) if size in sizes else len(sizes))


def _shape_icon(size: Size, pen: QPen) -> QIcon:
    """Return an icon of a small frame with the shape's aspect ratio."""
    side, ratio = 40, size.width / size.height
    width, height = (32, 32 / ratio) if ratio >= 1 else (32 * ratio, 32)
    pixmap = QPixmap(side, side)
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(pen)
    painter.drawRoundedRect(QRectF((side - width) / 4, (side - height) / 4, width / 2, height / 2), 2, 2)
    painter.end()
    return QIcon(pixmap)
