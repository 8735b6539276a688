"""The two places of the queue's panel: a popover at its button, and a dialog beside the main window."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QPushButton, QWidget

from sdxl_desktop.ui.queue.queue_panel import QueuePanel
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.fitted_dialog import FittedDialog
from sdxl_desktop.ui.widgets.layout_helpers import column, row

_POPOVER_SIZE, _DIALOG_SIZE = QSize(460, 380), QSize(620, 640)
_GAP = 6


class QueuePopover(QFrame):
    """Opens over the button and closes with the next click elsewhere or Esc; `page_requested`: show the dialog."""

    page_requested = Signal()

    def __init__(self, panel: QueuePanel, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("queuePopover")
        self.setAccessibleName("Queue")
        self.panel = panel
        page_button = with_role(QPushButton("Open the queue in a window"), "link")
        page_button.clicked.connect(self._open_page)
        foot = row(page_button)
        foot.addStretch(1)
        self.setLayout(column(panel, foot, margins=(12, 12, 12, 8)))

    def open_at(self, anchor: QWidget) -> None:
        """Show it above `anchor`, or below if there is no room, inside the screen."""
        room = anchor.screen().availableGeometry()
        self.resize(_POPOVER_SIZE.boundedTo(room.size()))
        top_left = anchor.mapToGlobal(QPoint(0, 0))
        top = top_left.y() - self.height() - _GAP
        if top < room.top():
            top = min(top_left.y() + anchor.height() + _GAP, room.bottom() - self.height())
        left = max(room.left(), min(top_left.x(), room.right() - self.width()))
        self.move(left, max(room.top(), top))
        self.show()
        self.panel.view.setFocus()

    def _open_page(self) -> None:
        self.close()
        self.page_requested.emit()


class QueueDialog(FittedDialog):
    """Non-modal, open beside the main window."""

    def __init__(self, panel: QueuePanel, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Queue")
        self.setObjectName("queueDialog")
        self.panel = panel
        self.setLayout(column(panel, margins=(16, 16, 16, 16)))
        self.resize(_DIALOG_SIZE.boundedTo(self.screen().availableSize() * 0.9))

    def open_page(self) -> None:
        """Show it, in front, with the list focused."""
        self.show()
        self.raise_()
        self.activateWindow()
        self.panel.view.setFocus()
