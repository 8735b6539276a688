"""One draft in the dialog: a selectable picture, or the placeholder of a pending one."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy

from sdxl_desktop.core.events import Pixels
from sdxl_desktop.session.drafts import Draft
from sdxl_desktop.ui.qt_images import to_image

_MINIMUM_SIDE = 120
_DEFAULT_SIDE = 200
_RADIUS = 8
_BADGE_SIZE = 24


class DraftTile(QAbstractButton):
    """Checked if selected; a placeholder cannot be selected."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self._draft: Draft | None = None
        self._image = QImage()
        self._shown_pixels: Pixels | None = None
        self.setCheckable(True)
        self.setEnabled(False)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._update_accessible_name()

    @property
    def draft(self) -> Draft | None:
        """The shown draft; None for a placeholder."""
        return self._draft

    def show_draft(self, draft: Draft) -> None:
        """Show the draft; deselect it if it was just finished."""
        if draft is self._draft:
            return
        self._draft = draft
        self.setEnabled(True)
        if draft.finished:
            self.setChecked(False)
        self._show_pixels(draft.picture.pixels)
        self._update_accessible_name()

    def show_pending(self, preview: Pixels | None) -> None:
        """Show the preview of a pending draft, uint8 [H, W, 3]; None if there is none yet."""
        self._draft = None
        self.setChecked(False)
        self.setEnabled(False)
        self._show_pixels(preview)
        self._update_accessible_name()

    def _show_pixels(self, pixels: Pixels | None) -> None:
        if pixels is not self._shown_pixels:
            self._shown_pixels = pixels
            self._image = QImage() if pixels is None else to_image(pixels)
        self.update()

    def _update_accessible_name(self) -> None:
        if self._draft is None:
            self.setAccessibleName(f"Draft {self._number}, to come")
            self.setToolTip("")
            return
        seed = self._draft.picture.seed
        self.setAccessibleName(f"Draft {self._number}, seed {seed}{', finished' if self._draft.finished else ''}")
        self.setToolTip(f"Seed {seed}" + (": given to the full checkpoint" if self._draft.finished else ""))

    def sizeHint(self) -> QSize:
        return QSize(_DEFAULT_SIDE, _DEFAULT_SIDE)

    def minimumSizeHint(self) -> QSize:
        return QSize(_MINIMUM_SIDE, _MINIMUM_SIDE)

    def picture_rect(self) -> QRect:
        """Return the picture's rectangle: as large as fits, with its aspect ratio."""
        room = self.rect().adjusted(4, 4, -4, -4)
        shape = self._image.size() if not self._image.isNull() else QSize(1, 1)
        size = shape.scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRect(QPoint(0, 0), size)
        place.moveCenter(room.center())
        return place

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        place = QRectF(self.picture_rect())
        self._paint_picture(painter, place)
        self._paint_frame(painter, place)
        if self.isChecked() or (self._draft is not None and self._draft.finished):
            self._paint_badge(painter, place)

    def _paint_picture(self, painter: QPainter, rect: QRectF) -> None:
        shape = QPainterPath()
        shape.addRoundedRect(rect, _RADIUS, _RADIUS)
        painter.save()
        painter.setClipPath(shape)
        painter.fillRect(rect, self.palette().color(QPalette.ColorRole.Midlight))
        if not self._image.isNull():
            painter.setOpacity(1.0 if self._draft is not None else 0.6)
            painter.drawImage(rect, self._image)
        painter.restore()
        if self._image.isNull():
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, str(self._number))

    def _paint_frame(self, painter: QPainter, rect: QRectF) -> None:
        palette, roles = self.palette(), QPalette.ColorRole
        if self.isChecked():
            pen = QPen(palette.color(roles.Accent), 3)
        elif self.hasFocus():
            pen = QPen(palette.color(roles.Accent), 1.5)
        elif self.underMouse() and self.isEnabled():
            pen = QPen(palette.color(roles.WindowText), 1)
        else:
            pen = QPen(palette.color(roles.Mid), 1)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(rect, _RADIUS, _RADIUS)

    def _paint_badge(self, painter: QPainter, rect: QRectF) -> None:
        """Paint a tick in a disc: filled if selected, hollow if finished before."""
        palette, roles = self.palette(), QPalette.ColorRole
        disc = QRectF(rect.right() - _BADGE_SIZE - 8, rect.top() + 8, _BADGE_SIZE, _BADGE_SIZE)
        painter.setPen(QPen(palette.color(roles.Accent), 1.5))
        painter.setBrush(palette.color(roles.Accent if self.isChecked() else roles.Window))
        painter.drawEllipse(disc)
        tick = QPainterPath()
        tick.moveTo(disc.left() + 7, disc.center().y() + 0.5)
        tick.lineTo(disc.left() + 10.5, disc.center().y() + 4.5)
        tick.lineTo(disc.right() - 6.5, disc.center().y() - 4)
        ink = palette.color(roles.HighlightedText if self.isChecked() else roles.Accent)
        painter.setPen(QPen(ink, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(tick)
