"""The bar above the canvas: what is shown, zoom, and the ways a picture leaves the window."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QPushButton, QToolButton, QWidget

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.session.candidates import Kind
from sdxl_desktop.session.pictures import Result
from sdxl_desktop.ui.widgets.buttons import IconButton, OnceButton, dressed
from sdxl_desktop.ui.widgets.layout import ElidedLabel, row
from sdxl_desktop.ui.widgets.plain import plain_tip

_SAVE_RESULT = "Save this result to the pictures folder (Ctrl+S)"
_SAVE_DOCUMENT = (
    "Save the picture on the canvas into its own file; without one it is asked where (Ctrl+S). A picture file keeps "
    "the pixels, a project the mask and the strip too"
)
_BACK, _ROOMY = "Back to the picture", 640
_REMOVE = "Remove picture"


class _DragHandle(IconButton):
    """A grip to carry the picture out by."""

    drag_wanted = Signal()

    def mouseMoveEvent(self, move: QMouseEvent) -> None:
        if move.buttons() & Qt.MouseButton.LeftButton and not self.rect().adjusted(4, 4, -4, -4).contains(
            move.position().toPoint()
        ):
            self.setDown(False)
            self.drag_wanted.emit()


class CanvasBar(QWidget):
    """Says what is shown and emits what the person wants done with it."""

    fit_wanted = Signal()
    actual_size_wanted = Signal()
    zoom_in_wanted = Signal()
    zoom_out_wanted = Signal()
    save_wanted = Signal()
    save_as_wanted = Signal()
    copy_wanted = Signal()
    drag_wanted = Signal()
    live_wanted = Signal()
    split_wanted = Signal(bool)
    edit_wanted = Signal()
    document_wanted = Signal()
    remove_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("canvasBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._about = ElidedLabel()
        self._live = dressed(QPushButton("Back to the picture in progress"), "link")
        self._readout = QToolButton()
        self._zooming = self._zoom_buttons()
        self._leaving = self._leave_buttons()
        self._compare = self._compare_button()
        self._edit, self._document, self._remove = self._document_buttons()
        self._lay_out()
        self.show_live(False)
        self.show_editing(document=False, result=False)
        self.show_zoom(1.0, shown=False)
        self.show_result(None)

    def _zoom_buttons(self) -> tuple[QToolButton, ...]:
        self._readout.setProperty("role", "readout")
        self._readout.setToolTip("Zoom; click for 100 %")
        self._readout.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._readout.clicked.connect(self.actual_size_wanted)
        smaller = IconButton("zoom-out", "Zoom out", "Zoom out (Ctrl+-)")
        larger = IconButton("zoom-in", "Zoom in", "Zoom in (Ctrl++)")
        fit = IconButton("fit", "Fit", "Fit the picture into the window (Ctrl+0)")
        actual = IconButton("actual-size", "100 %", "One picture pixel for one screen pixel (Ctrl+1)")
        smaller.clicked.connect(self.zoom_out_wanted)
        larger.clicked.connect(self.zoom_in_wanted)
        fit.clicked.connect(self.fit_wanted)
        actual.clicked.connect(self.actual_size_wanted)
        return smaller, self._readout, larger, fit, actual

    def _leave_buttons(self) -> tuple[QToolButton, ...]:
        save = IconButton("save", "Save", _SAVE_RESULT)
        save_as = IconButton("save-as", "Save as", "Save as PNG, JPEG or WebP (Ctrl+Shift+S)")
        copy = IconButton("copy", "Copy picture", "Copy the picture (Ctrl+Shift+C)")
        drag = _DragHandle("drag", "Drag picture out", "Drag the picture from here to another application or folder")
        save.clicked.connect(self.save_wanted)
        save_as.clicked.connect(self.save_as_wanted)
        copy.clicked.connect(self.copy_wanted)
        drag.drag_wanted.connect(self.drag_wanted)
        drag.setCursor(Qt.CursorShape.OpenHandCursor)
        drag.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return save, save_as, copy, drag

    def _compare_button(self) -> QToolButton:
        compare = IconButton(
            "compare", "Compare", "A line between before and after, to be dragged (Y); hold \\ to see only before"
        )
        compare.setCheckable(True)
        compare.setVisible(False)
        compare.clicked.connect(self.split_wanted)
        return compare

    def _document_buttons(self) -> tuple[QPushButton, QPushButton, QPushButton]:
        edit = dressed(QPushButton("Edit this picture"), "link")
        edit.setToolTip("Put this result onto the canvas to redraw it, or parts of it (Ctrl+Shift+A)")
        back = dressed(QPushButton(_BACK), "link")
        back.setToolTip("Show the picture that is being edited, without taking this result over (Esc)")
        remove = dressed(OnceButton(_REMOVE), "link")
        remove.setToolTip("Leave nothing on the canvas: the next run draws from words alone. Undo brings it back")
        edit.clicked.connect(self.edit_wanted)
        back.clicked.connect(self.document_wanted)
        remove.clicked.connect(self.remove_wanted)
        return edit, back, remove

    def _lay_out(self) -> None:
        bar = row(spacing=2, margins=(16, 4, 8, 4))
        bar.addWidget(self._about, 1)
        bar.addWidget(self._live)
        for link in (self._document, self._edit, self._remove):
            bar.addWidget(link)
        bar.addWidget(self._compare)
        for button in self._zooming:
            bar.addWidget(button)
        bar.addSpacing(16)
        for button in self._leaving:
            bar.addWidget(button)
        self.setLayout(bar)

    def show_zoom(self, zoom: float, *, shown: bool = True) -> None:
        """`zoom` in screen pixels a picture pixel; nothing to zoom when not `shown`."""
        percent = zoom * 100
        self._readout.setText(f"{percent:.0f} %" if shown else "–")
        self._readout.setAccessibleName(f"Zoom {percent:.0f} percent")
        for button in self._zooming:
            button.setEnabled(shown)

    def show_result(self, result: Result | None, kind: Kind = Kind.RESULT) -> None:
        """Say what is shown, and what it is to the picture on the canvas, and offer to keep it."""
        self._about.setText("   ·   ".join((*_WORD[kind], describe(result))) if result else "")
        self._about.setToolTip(plain_tip(_tooltip(result)) if result else "")
        self._offer_leaving(result is not None, _SAVE_RESULT)

    def _offer_leaving(self, offered: bool, save: str) -> None:
        for button in self._leaving:
            button.setEnabled(offered)
        self._leaving[0].setToolTip(save)

    def show_words(self, words: str) -> None:
        """Say something else than a result."""
        self.show_result(None)
        self._about.setText(words)

    def show_document(self, name: str, size: Size) -> None:
        """Say that the document is on the canvas: the file it came from, if any, and its size."""
        self.show_words("   ·   ".join(part for part in (name, f"{size.width} × {size.height}") if part))
        self._offer_leaving(True, _SAVE_DOCUMENT)

    def show_compare(self, offered: bool, split: bool = False) -> None:
        """Offer the line between before and after, and tell whether it is shown."""
        self._compare.setVisible(offered)
        self._compare.setChecked(split)

    def show_editing(self, *, document: bool, result: bool) -> None:
        """`document`: there is a picture being edited; `result`: a result, and not that picture, is on the canvas."""
        self._edit.setVisible(result and not document)
        self._document.setVisible(document and result)
        self._remove.setVisible(document and not result)

    def resizeEvent(self, change: QResizeEvent) -> None:
        super().resizeEvent(change)
        for button, words in ((self._document, _BACK), (self._remove, _REMOVE)):
            button.setText(words if self.width() >= _ROOMY else words.split()[0])

    def show_live(self, offered: bool) -> None:
        """Offer the way back to the picture in progress."""
        self._live.setVisible(offered)


_WORD: dict[Kind, tuple[str, ...]] = {
    Kind.CANDIDATE: ("Candidate",),
    Kind.EARLIER: ("Earlier result",),
    Kind.RESULT: (),
}


def describe(result: Result) -> str:
    """What a person asks first about a picture."""
    sampling = result.request.sampling
    height, width = result.picture.pixels.shape[:2]  # a result that was pasted back has the size of its picture
    parts = [
        f"{width} × {height}",
        f"seed {result.picture.seed}",
        f"{sampling.steps} steps",
        sampling.scheduler.label,
        f"guidance {sampling.guidance_scale:g}",
    ]
    return "   ·   ".join(parts)


def _tooltip(result: Result) -> str:
    where = f"Saved as {result.saved_to}" if result.saved_to else "Not saved yet"
    if result.problem is not None:
        where = f"Not saved: {result.problem}"
    return "\n".join((result.request.prompts.prompt or "No prompt", where, *result.picture.notes))
