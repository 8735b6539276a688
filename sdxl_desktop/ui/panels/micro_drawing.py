"""A small drawing of micro-conditioning: the pretended original, the crop cut out of it, and both sizes."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from sdxl_desktop.core.geometry import Point, Size

_MARGIN = 10
_TEXT = 20


@dataclass(frozen=True, slots=True)
class CropPlan:
    """Where the crop lies in the original once that is scaled to cover the target, in target pixels."""

    original: QRectF
    crop: QRectF

    @classmethod
    def of(cls, original: Size, crop: Point, target: Size) -> CropPlan:
        cover = max(target.width / original.width, target.height / original.height)
        return cls(
            QRectF(0, 0, original.width * cover, original.height * cover),
            QRectF(crop.x, crop.y, target.width, target.height),
        )


class MicroDrawing(QWidget):
    """Shows three values; the crop is filled, and drawn in the warning colour where it leaves the original."""

    def __init__(self) -> None:
        super().__init__()
        self._values = (Size(1024, 1024), Point(0, 0), Size(1024, 1024))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Drawing of the crop")

    def sizeHint(self) -> QSize:
        return QSize(240, 136)

    def show_values(self, original: Size, crop: Point, target: Size) -> None:
        self._values = (original, crop, target)
        self.setAccessibleDescription(f"Original {original}, crop at {crop}, target {target}")
        self.update()

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(QPalette.ColorRole.Dark))
        painter.drawRoundedRect(QRectF(self.rect()), 6, 6)
        original, crop, target = self._values
        self._paint_plan(painter, CropPlan.of(original, crop, target))
        painter.setPen(palette.color(QPalette.ColorRole.WindowText))
        words = f"{target.width} × {target.height} at {crop.x}, {crop.y} of {original.width} × {original.height}"
        painter.drawText(
            self.rect().adjusted(8, 0, -8, -4), Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, words
        )

    def _paint_plan(self, painter: QPainter, plan: CropPlan) -> None:
        everything = plan.original.united(plan.crop)
        room = QRectF(self.rect()).adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN - _TEXT)
        scale = min(room.width() / everything.width(), room.height() / everything.height())
        left = room.center().x() - everything.width() * scale / 2
        top = room.center().y() - everything.height() * scale / 2

        def placed(rect: QRectF) -> QRectF:
            return QRectF(left + rect.x() * scale, top + rect.y() * scale, rect.width() * scale, rect.height() * scale)

        palette = self.palette()
        outside = not plan.original.adjusted(-1, -1, 1, 1).contains(plan.crop)
        colour = palette.color(QPalette.ColorRole.BrightText if outside else QPalette.ColorRole.Accent)
        if not self.isEnabled():
            colour = palette.color(QPalette.ColorRole.Mid)
        painter.setPen(QPen(palette.color(QPalette.ColorRole.Mid), 1, Qt.PenStyle.DashLine))
        painter.setBrush(palette.color(QPalette.ColorRole.Window))
        painter.drawRect(placed(plan.original))
        fill = QColor(colour)
        fill.setAlpha(64)
        painter.setPen(QPen(colour, 1.5))
        painter.setBrush(fill)
        painter.drawRect(placed(plan.crop))
