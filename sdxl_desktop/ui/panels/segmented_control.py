"""A row of a few mutually exclusive choices: one tab stop, arrow keys inside."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QRectF, QSignalBlocker, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QTabBar

_HEIGHT = 30
_RADIUS = 6


class SegmentedControl(QTabBar):
    """Edits one of `choices`, pairs of a value and its label. Emits `currentChanged` when the user selects one."""

    def __init__(self, name: str, choices: Sequence[tuple[str, str]], tooltips: Sequence[str] = ()) -> None:
        super().__init__()
        self._values = [value for value, _ in choices]
        for _, words in choices:
            self.addTab(words)
        for index, tip in enumerate(tooltips):
            self.setTabToolTip(index, tip)
        self.setAccessibleName(name)
        self.setDrawBase(False)
        self.setExpanding(True)
        self.setUsesScrollButtons(False)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def value(self) -> str:
        return self._values[self.currentIndex()]

    def set_value(self, value: str) -> None:
        with QSignalBlocker(self):
            self.setCurrentIndex(self._values.index(value))

    def tabSizeHint(self, index: int) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self.tabText(index)) + 16, _HEIGHT)

    def minimumTabSizeHint(self, index: int) -> QSize:
        return self.tabSizeHint(index)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette, roles = self.palette(), QPalette.ColorRole
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QPen(palette.color(roles.Accent if self.hasFocus() else self._outline()), 1))
        painter.setBrush(palette.color(roles.Base if self.isEnabled() else roles.Window))
        painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
        for index in range(self.count()):
            self._paint_segment(painter, self.tabRect(index), index)

    def _outline(self) -> QPalette.ColorRole:
        return QPalette.ColorRole.Mid if self.isEnabled() else QPalette.ColorRole.Midlight

    def _paint_segment(self, painter: QPainter, rect: QRect, index: int) -> None:
        palette, roles = self.palette(), QPalette.ColorRole
        chosen = index == self.currentIndex()
        words: QColor = palette.color(roles.WindowText)
        if chosen and self.isEnabled():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(palette.color(roles.Accent))
            painter.drawRoundedRect(QRectF(rect).adjusted(3, 3, -3, -3), _RADIUS - 2, _RADIUS - 2)
            words = palette.color(roles.HighlightedText)
        elif chosen:
            painter.setPen(QPen(palette.color(roles.Mid), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(rect).adjusted(3.5, 3.5, -3.5, -3.5), _RADIUS - 2, _RADIUS - 2)
        painter.setPen(words)
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, self.tabText(index))
