"""A hint next to a field that rejected its input: says why, and disappears by itself."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QWidget

from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel

_DISPLAY_MS = 7000
_MAX_WIDTH = 320
_GAP = 4
_HIDING_EVENTS = {QEvent.Type.Hide, QEvent.Type.Move, QEvent.Type.Close, QEvent.Type.WindowStateChange}


class FieldHints(QObject):
    """Shows hints next to `field`. The bubble is created on first use: many fields are never typed into."""

    def __init__(self, field: QWidget) -> None:
        super().__init__(field)
        self._field = field
        self._bubble: HintBubble | None = None

    def show_message(self, text: str) -> None:
        """Show `text` for some seconds; nothing is shown if the field is not visible."""
        self._bubble = self._bubble or HintBubble(self._field)
        self._bubble.show_message(text)

    def hide(self) -> None:
        """Hide the hint, since it no longer applies."""
        if self._bubble is not None:
            self._bubble.hide()


class HintBubble(PlainTextLabel):
    """Floats below `field`, or above it if there is no room. A separate window, since fields also appear in menus."""

    def __init__(self, field: QWidget) -> None:
        super().__init__(parent=field)
        self.setWindowFlags(Qt.WindowType.ToolTip | Qt.WindowType.WindowTransparentForInput)
        self._field = field
        self.setObjectName("remark")
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setWordWrap(True)
        self._timer = QTimer(self, singleShot=True, interval=_DISPLAY_MS)
        self._timer.timeout.connect(self.hide)
        self.hide()

    def show_message(self, text: str) -> None:
        """Show `text` for some seconds; nothing is shown if the field is not visible."""
        self._field.setAccessibleDescription(text)
        if not self._field.isVisible():
            return
        self.setText(text)
        self.ensurePolished()
        width = min(_MAX_WIDTH, self.fontMetrics().horizontalAdvance(text) + 32)
        self.setFixedWidth(width)
        self.setFixedHeight(self.heightForWidth(width))
        self._reposition()
        self._field.installEventFilter(self)
        self._field.window().installEventFilter(self)
        self.show()
        self._timer.start()
        QAccessible.updateAccessibility(QAccessibleEvent(self._field, QAccessible.Event.Alert))

    def hideEvent(self, _: QEvent) -> None:
        self._timer.stop()
        self._field.setAccessibleDescription("")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in _HIDING_EVENTS and self.isVisible():
            self.hide()
        return super().eventFilter(watched, event)

    def _reposition(self) -> None:
        room = self._field.screen().availableGeometry()
        spot = self._field.mapToGlobal(QPoint(0, self._field.height() + _GAP))
        if spot.y() + self.height() > room.bottom():
            spot = self._field.mapToGlobal(QPoint(0, -self.height() - _GAP))
        self.move(max(room.left(), min(spot.x(), room.right() - self.width())), max(room.top(), spot.y()))
