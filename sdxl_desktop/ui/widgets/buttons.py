"""Buttons: icon buttons that follow the theme, and a switch."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QCheckBox, QPushButton, QToolButton, QWidget

from sdxl_desktop.ui.icons import icon


def with_role(button: QPushButton, role: str) -> QPushButton:
    """Set a button's role in the style sheet ("primary", "stop", "chip", "link") and restyle it."""
    if button.property("role") != role:
        button.setProperty("role", role)
        button.style().unpolish(button)
        button.style().polish(button)
    return button


class IconButton(QToolButton):
    """A tool button with one of the application's icons, tinted to the palette; `name` is the accessible name."""

    def __init__(self, icon_name: str, name: str, tooltip: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon_name = icon_name
        self._tinted_for: tuple[str, ...] = ()
        self.setIconSize(QSize(18, 18))
        self.setAccessibleName(name)
        self.setToolTip(tooltip or name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._tint()

    def set_icon_name(self, icon_name: str) -> None:
        self._icon_name = icon_name
        self._tint()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._tint()

    def _tint(self) -> None:
        palette = self.palette()
        colour = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.WindowText)
        faint = palette.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.WindowText)
        wanted = (self._icon_name, colour.name(), faint.name())
        if wanted != self._tinted_for:
            self._tinted_for = wanted
            self.setIcon(icon(*wanted))


class Switch(QCheckBox):
    """An on/off switch; a check box for keyboards and screen readers."""

    _TRACK = QSize(32, 18)

    def sizeHint(self) -> QSize:
        words = self.fontMetrics().size(Qt.TextFlag.TextShowMnemonic, self.text()) if self.text() else QSize(0, 0)
        gap = 8 if self.text() else 0
        return QSize(self._TRACK.width() + gap + words.width() + 4, max(self._TRACK.height(), words.height()) + 6)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def hitButton(self, pos: object) -> bool:
        return True

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_track(painter)
        if self.text():
            painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
            words = self.rect().adjusted(self._TRACK.width() + 8, 0, 0, 0)
            painter.drawText(
                words,
                Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextShowMnemonic,
                self.text(),
            )

    def _paint_track(self, painter: QPainter) -> None:
        roles, palette = QPalette.ColorRole, self.palette()
        track = QRectF(0, (self.height() - self._TRACK.height()) / 2, self._TRACK.width(), self._TRACK.height())
        on = self.isChecked() and self.isEnabled()
        outline = roles.WindowText if self.hasFocus() else roles.Accent if on else roles.Mid
        painter.setPen(QPen(palette.color(outline), 1.5))
        painter.setBrush(palette.color(roles.Accent if on else roles.Base))
        painter.drawRoundedRect(track.adjusted(0.75, 0.75, -0.75, -0.75), track.height() / 2, track.height() / 2)
        side = track.height() - 8
        left = track.right() - side - 4 if self.isChecked() else track.left() + 4
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_knob_colour(palette, on, self.isEnabled()))
        painter.drawEllipse(QRectF(left, track.top() + 4, side, side))


def _knob_colour(palette: QPalette, on: bool, enabled: bool) -> QColor:
    if not enabled:
        return palette.color(QPalette.ColorRole.Mid)
    return palette.color(QPalette.ColorRole.HighlightedText if on else QPalette.ColorRole.WindowText)


class SingleClickButton(QPushButton):
    """A button that ignores the second press of a double click, for places where another button was a moment ago or
    where the action changes on click."""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        event.accept()
