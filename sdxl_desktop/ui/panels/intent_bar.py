"""The row of intents: what to do with the masked area, one click each."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QToolButton, QWidget

from sdxl_desktop.core.intents import Intent

_GAP = 4
_STYLESHEET = """
QToolButton { border: 1px solid palette(mid); background: palette(base); padding: 4px 2px; }
QToolButton:hover { border-color: palette(link); }
QToolButton:focus { border-color: palette(link); }
QToolButton:checked {
    background: palette(highlight); color: palette(highlighted-text); border-color: palette(highlight);
}
QToolButton:checked:focus { border-color: palette(window-text); }
QToolButton:disabled { border-color: palette(midlight); background: transparent; }
"""
_NO_MASK = "Paint a mask first"


class IntentBar(QWidget):
    """Emits `intent_picked` with an `Intent`. All six are in one row, or in two where space is limited."""

    intent_picked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._buttons = {intent: self._create_button(intent) for intent in Intent}
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(_GAP)
        self._grid.setSizeConstraint(QGridLayout.SizeConstraint.SetNoConstraint)  # a second row makes it narrower
        self.setStyleSheet(_STYLESHEET)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._arrange(len(Intent))

    def _create_button(self, intent: Intent) -> QToolButton:
        button = QToolButton(self)
        button.setText(intent.label)
        button.setAccessibleName(intent.label)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.clicked.connect(lambda: self._handle_click(intent))
        return button

    def _handle_click(self, intent: Intent) -> None:
        self._buttons[intent].setChecked(not self._buttons[intent].isChecked())  # the signal's receiver decides
        self.intent_picked.emit(intent)

    def set_intent(self, intent: Intent | None, *, masked: bool) -> None:
        """Mark `intent` (None: none) and enable the intents that apply with or without a mask."""
        for own, button in self._buttons.items():
            offered = masked or not own.needs_mask
            button.setEnabled(offered)
            button.setChecked(own is intent and offered)
            button.setToolTip(own.help if offered else f"{_NO_MASK}. {own.help}")

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for index, button in enumerate(self._buttons.values()):
            self._grid.removeWidget(button)
            self._grid.addWidget(button, index // columns, index % columns)
        self.updateGeometry()

    def _single_row_width(self) -> int:
        widths = [button.sizeHint().width() for button in self._buttons.values()]
        return sum(widths) + _GAP * (len(widths) - 1)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange(len(Intent) if self.width() >= self._single_row_width() else len(Intent) // 2)
