"""Compares two to four pictures side by side, with linked zoom and position."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QGridLayout, QPushButton, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.history.entries import HistoryEntry
from sdxl_desktop.imaging.picture_reading import open_picture
from sdxl_desktop.ui.gallery.entry_text import describe_entry, file_name
from sdxl_desktop.ui.painting.picture_view import PictureView
from sdxl_desktop.ui.qt_images import to_image
from sdxl_desktop.ui.widgets.buttons import IconButton, Switch
from sdxl_desktop.ui.widgets.layout_helpers import ElidedLabel, column, row
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

_PAN_STEP = 64
"""Logical pixels that an arrow key moves the pictures by."""
_PANS = {
    Qt.Key.Key_Left: QPointF(_PAN_STEP, 0),
    Qt.Key.Key_Right: QPointF(-_PAN_STEP, 0),
    Qt.Key.Key_Up: QPointF(0, _PAN_STEP),
    Qt.Key.Key_Down: QPointF(0, -_PAN_STEP),
}


class ComparedPicture(PictureView):
    """A picture that is moved by dragging it or with the arrow keys."""

    def __init__(self) -> None:
        super().__init__()
        self._dragged_from: QPointF | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._dragged_from = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragged_from is not None:
            self.pan(event.position() - self._dragged_from)
            self._dragged_from = event.position()

    def mouseReleaseEvent(self, _: QMouseEvent) -> None:
        self._dragged_from = None

    def mouseDoubleClickEvent(self, _: QMouseEvent) -> None:
        if self.is_fitted:
            self.show_actual_size()
        else:
            self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in _PANS and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            self.pan(_PANS[key])
        elif event.text() == "+":
            self.zoom_in()
        elif event.text() == "-":
            self.zoom_out()
        elif event.text() == "0":
            self.fit()
        elif event.text() == "1":
            self.show_actual_size()
        else:
            super().keyPressEvent(event)


class ComparePage(QWidget):
    """Shows the entries given to `compare`."""

    back_requested = Signal()

    def __init__(self, background: BackgroundRunner) -> None:
        super().__init__()
        self.setObjectName("galleryPage")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._background = background
        self._following = False
        self._asked = 0
        self.views: list[ComparedPicture] = []
        self._back_button = QPushButton("Back to the gallery")
        self._back_button.setToolTip("Back to the gallery (Esc)")
        self._link_switch = Switch("Linked")
        self._link_switch.setChecked(True)
        self._link_switch.setToolTip("Zoom and move all pictures together")
        self._fit_button = IconButton("fit", "Fit", "Fit (0)")
        self._actual_button = IconButton("actual-size", "100 %", "100 % (1)")
        self._in_button = IconButton("zoom-in", "Zoom in", "Zoom in (+)")
        self._out_button = IconButton("zoom-out", "Zoom out", "Zoom out (-)")
        self._grid = QGridLayout()
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        bar = QWidget()
        bar.setObjectName("canvasBar")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        controls = row(self._back_button, margins=(12, 8, 12, 8))
        controls.addStretch(1)
        for widget in (self._link_switch, self._fit_button, self._actual_button, self._out_button, self._in_button):
            controls.addWidget(widget)
        bar.setLayout(controls)
        self._grid.setSpacing(4)
        whole = column(bar, spacing=0)
        whole.addLayout(self._grid, 1)
        self.setLayout(whole)

    def _connect(self) -> None:
        self._back_button.clicked.connect(self.back_requested)
        self._fit_button.clicked.connect(lambda: self._active_view().fit())
        self._actual_button.clicked.connect(lambda: self._active_view().show_actual_size())
        self._in_button.clicked.connect(lambda: self._active_view().zoom_in())
        self._out_button.clicked.connect(lambda: self._active_view().zoom_out())
        self._link_switch.toggled.connect(lambda: self._follow(self._active_view()))

    def _active_view(self) -> ComparedPicture:
        return next((view for view in self.views if view.hasFocus()), self.views[0])

    def compare(self, entries: Sequence[HistoryEntry]) -> None:
        """Show these pictures, read in the background."""
        self.clear()
        self._asked += 1
        for number, entry in enumerate(entries):
            cell = self._create_cell(entry)
            columns = 2 if len(entries) == 4 else len(entries)
            self._grid.addWidget(cell, number // columns, number % columns)
        self.views[0].setFocus()

    def _create_cell(self, entry: HistoryEntry) -> QWidget:
        view, caption, asked = ComparedPicture(), ElidedLabel(), self._asked
        description = describe_entry(entry)
        view.setAccessibleName(description)
        caption.setText(f"{file_name(entry.file)}   ·   seed {entry.seed}   ·   {display_text(entry.prompt)}")
        caption.setToolTip(plain_text_tooltip(description))
        view.zoomed.connect(lambda: self._follow(view))
        self.views.append(view)

        def take(image: QImage) -> None:
            if asked == self._asked:
                view.set_image(image)

        def fail(error: SdxlDesktopError) -> None:
            if asked == self._asked:
                caption.setText(f"{file_name(entry.file)}: {error.what}")

        self._background.read(lambda: to_image(open_picture(entry.file).pixels), take, fail, owner=view)
        cell = QWidget()
        inside = column(view, caption, spacing=2, margins=(4, 0, 4, 4))
        inside.setStretch(0, 1)
        cell.setLayout(inside)
        return cell

    def _follow(self, leader: ComparedPicture) -> None:
        """Show the part that `leader` shows in the other views, too."""
        if self._following or not self._link_switch.isChecked():
            return
        self._following = True
        try:
            for view in self.views:
                if view is not leader and view.image() is not None:
                    view.show_same_part(leader.viewport)
        finally:
            self._following = False

    def clear(self) -> None:
        """Let go of the pictures."""
        self._asked += 1
        self.views.clear()
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
