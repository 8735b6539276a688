"""The slide show: one picture after another on the whole screen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from PySide6.QtCore import QRect, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.history.entries import HistoryEntry
from sdxl_desktop.imaging.picture_reading import open_picture
from sdxl_desktop.ui.gallery.entry_text import file_name
from sdxl_desktop.ui.qt_images import to_image
from sdxl_desktop.ui.widgets.plain_text import escape_window_title

INTERVAL_MS = 4000
_KEPT = 4
"""Pictures in memory: the shown one, its neighbours, and one on its way."""
_HINT_MS = 3000
_HINT = "Left and Right: previous and next   ·   Space: pause   ·   Esc: back"

WithEntry = Callable[[int, Callable[[HistoryEntry], object]], object]
"""Reads the entry of an id and passes it to the callback, if there is one."""


class SlideShow(QWidget):
    """Shows the pictures of `ids` from `start` on; emits `closed` with the id of the last one shown."""

    closed = Signal(int)

    def __init__(
        self,
        ids: Sequence[int],
        start: int,
        with_entry: WithEntry,
        background: BackgroundRunner,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setWindowTitle(escape_window_title("Slide show"))
        self.setCursor(Qt.CursorShape.BlankCursor)
        self._ids, self._number = tuple(ids), start
        self._with_entry, self._background = with_entry, background
        self._images: OrderedDict[int, QImage | str] = OrderedDict()
        self._asked: set[int] = set()
        self._timer = QTimer(self, interval=INTERVAL_MS)
        self._timer.timeout.connect(lambda: self.step(1))
        self._hint_timer = QTimer(self, singleShot=True, interval=_HINT_MS)
        self._hint_timer.timeout.connect(self.update)
        self._hint = _HINT
        self._show(start)
        self._timer.start()
        self._hint_timer.start()

    @property
    def current(self) -> int:
        """The id of the picture shown now."""
        return self._ids[self._number]

    @property
    def is_paused(self) -> bool:
        return not self._timer.isActive()

    def image(self) -> QImage | None:
        """The picture shown now, None until it is read, or if it cannot be."""
        found = self._images.get(self.current)
        return found if isinstance(found, QImage) else None

    def step(self, by: int) -> None:
        """Go to the next (1) or previous (-1) picture; after the last comes the first."""
        self._show((self._number + by) % len(self._ids))
        if not self.is_paused:
            self._timer.start()

    def _show(self, number: int) -> None:
        self._number = number
        for near in (0, 1, -1):
            self._want(self._ids[(number + near) % len(self._ids)])
        self.update()

    def _want(self, entry_id: int) -> None:
        if entry_id in self._images:
            self._images.move_to_end(entry_id)
        elif entry_id not in self._asked:
            self._asked.add(entry_id)
            self._with_entry(entry_id, self._read)

    def _read(self, entry: HistoryEntry) -> None:
        def take(image: QImage) -> None:
            self._keep(entry.id, image)

        def fail(error: SdxlDesktopError) -> None:
            self._keep(entry.id, f"{file_name(entry.file)}\n\n{error.what}")

        self._background.read(lambda: to_image(open_picture(entry.file).pixels), take, fail, owner=self)

    def _keep(self, entry_id: int, image: QImage | str) -> None:
        self._asked.discard(entry_id)
        self._images[entry_id] = image
        while len(self._images) > _KEPT:
            oldest = next(iter(self._images))
            if oldest == self.current:
                self._images.move_to_end(oldest)
                continue
            del self._images[oldest]
        self.update()

    def toggle_pause(self) -> None:
        if self.is_paused:
            self._timer.start()
            self._hint = ""
        else:
            self._timer.stop()
            self._hint = "Paused"
        self._hint_timer.start()
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        match event.key():
            case Qt.Key.Key_Right | Qt.Key.Key_Down | Qt.Key.Key_PageDown:
                self.step(1)
            case Qt.Key.Key_Left | Qt.Key.Key_Up | Qt.Key.Key_PageUp:
                self.step(-1)
            case Qt.Key.Key_Home:
                self._show(0)
            case Qt.Key.Key_End:
                self._show(len(self._ids) - 1)
            case Qt.Key.Key_Space:
                self.toggle_pause()
            case Qt.Key.Key_Escape | Qt.Key.Key_F5:
                self.close()
            case _:
                super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.step(-1 if event.button() == Qt.MouseButton.RightButton else 1)

    def closeEvent(self, event: QCloseEvent) -> None:
        self._timer.stop()
        self._hint_timer.stop()
        super().closeEvent(event)
        self.closed.emit(self.current)

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("#000000"))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        shown = self._images.get(self.current)
        painter.setPen(QColor("#cfcfcf"))
        if isinstance(shown, QImage):
            self._paint_picture(painter, shown)
        elif shown is not None:
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), shown)
        if self._hint and (self._hint_timer.isActive() or self.is_paused):
            box = self.rect().adjusted(0, 0, 0, -24)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, self._hint)

    def _paint_picture(self, painter: QPainter, image: QImage) -> None:
        """Fit the picture into the window."""
        ratio = self.devicePixelRatioF()
        size = image.size().scaled(self.size() * ratio, Qt.AspectRatioMode.KeepAspectRatio)
        drawn = image.scaled(size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
        drawn.setDevicePixelRatio(ratio)
        place = QRect(self.rect().topLeft(), drawn.deviceIndependentSize().toSize())
        place.moveCenter(self.rect().center())
        painter.drawImage(place.topLeft(), drawn)
