"""The bar above the canvas: description, zoom, and the ways to export a picture."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QPushButton, QToolButton, QWidget

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.session.result_files import Result
from sdxl_desktop.session.result_kind import ResultKind
from sdxl_desktop.ui.widgets.buttons import IconButton, SingleClickButton, with_role
from sdxl_desktop.ui.widgets.layout_helpers import ElidedLabel, row
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

_SAVE_RESULT_TOOLTIP = "Save this result to the pictures folder (Ctrl+S)"
_SAVE_DOCUMENT_TOOLTIP = (
    "Save the picture on the canvas into its own file; without one it is asked where (Ctrl+S). A picture file keeps "
    "the pixels, a project the mask and the strip too"
)
_FULL_TEXT_WIDTH = 640
"""From this width on, the links show their long texts."""
_BACK_TEXTS = "Back to the picture", "Back"
_EDIT_TEXTS = "Edit this picture", "Edit"
_REMOVE_TEXTS = "Remove picture", "Remove"
_FOLLOW_TEXTS = "Back to the picture in progress", "Follow"


class _DragHandle(IconButton):
    """A handle for dragging the picture out."""

    drag_requested = Signal()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and not self.rect().adjusted(4, 4, -4, -4).contains(
            event.position().toPoint()
        ):
            self.setDown(False)
            self.drag_requested.emit()


class CanvasBar(QWidget):
    """Describes the shown picture and emits the actions requested on it."""

    fit_requested = Signal()
    actual_size_requested = Signal()
    zoom_in_requested = Signal()
    zoom_out_requested = Signal()
    save_requested = Signal()
    save_as_requested = Signal()
    copy_requested = Signal()
    drag_requested = Signal()
    follow_run_requested = Signal()
    split_requested = Signal(bool)
    edit_result_requested = Signal()
    show_document_requested = Signal()
    remove_requested = Signal()
    settings_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("canvasBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._description_label = ElidedLabel()
        self._follow_run_button = with_role(QPushButton(_FOLLOW_TEXTS[0]), "link")
        self._zoom_button = QToolButton()
        self._zoom_buttons = self._create_zoom_buttons()
        self._output_buttons = self._create_output_buttons()
        self._compare_button = self._create_compare_button()
        self._settings_button = self._create_settings_button()
        self._edit_button, self._document_button, self._remove_button = self._create_document_buttons()
        self._lay_out()
        self.set_follow_run_offered(False)
        self.set_edit_state(document=False, result=False)
        self.set_zoom(1.0, enabled=False)
        self.set_result(None)

    def _create_zoom_buttons(self) -> tuple[QToolButton, ...]:
        self._zoom_button.setProperty("role", "readout")
        self._zoom_button.setToolTip("Zoom; click for 100 %")
        self._zoom_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._zoom_button.clicked.connect(self.actual_size_requested)
        smaller = IconButton("zoom-out", "Zoom out", "Zoom out (Ctrl+-)")
        larger = IconButton("zoom-in", "Zoom in", "Zoom in (Ctrl++)")
        fit = IconButton("fit", "Fit", "Fit the picture into the window (Ctrl+0)")
        actual = IconButton("actual-size", "100 %", "One picture pixel for one screen pixel (Ctrl+1)")
        smaller.clicked.connect(self.zoom_out_requested)
        larger.clicked.connect(self.zoom_in_requested)
        fit.clicked.connect(self.fit_requested)
        actual.clicked.connect(self.actual_size_requested)
        return smaller, self._zoom_button, larger, fit, actual

    def _create_output_buttons(self) -> tuple[QToolButton, ...]:
        save = IconButton("save", "Save", _SAVE_RESULT_TOOLTIP)
        save_as = IconButton("save-as", "Save as", "Save as PNG, JPEG or WebP (Ctrl+Shift+S)")
        copy = IconButton("copy", "Copy picture", "Copy the picture (Ctrl+Shift+C)")
        drag = _DragHandle("drag", "Drag picture out", "Drag the picture from here to another application or folder")
        save.clicked.connect(self.save_requested)
        save_as.clicked.connect(self.save_as_requested)
        copy.clicked.connect(self.copy_requested)
        drag.drag_requested.connect(self.drag_requested)
        drag.setCursor(Qt.CursorShape.OpenHandCursor)
        drag.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return save, save_as, copy, drag

    def _create_compare_button(self) -> QToolButton:
        compare = IconButton(
            "compare", "Compare", "A line between before and after, to be dragged (Y); hold \\ to see only before"
        )
        compare.setCheckable(True)
        compare.setVisible(False)
        compare.clicked.connect(self.split_requested)
        return compare

    def _create_settings_button(self) -> QToolButton:
        button = IconButton("use-settings", "Settings of this picture", "How this picture was made, and use of it")
        button.setVisible(False)
        button.clicked.connect(self.settings_requested)
        return button

    def _create_document_buttons(self) -> tuple[QPushButton, QPushButton, QPushButton]:
        edit = with_role(QPushButton(_EDIT_TEXTS[0]), "link")
        edit.setToolTip("Put this result onto the canvas to redraw it, or parts of it (Ctrl+Shift+A)")
        back = with_role(QPushButton(_BACK_TEXTS[0]), "link")
        back.setToolTip("Show the picture that is being edited, without taking this result over (Esc)")
        remove = with_role(SingleClickButton(_REMOVE_TEXTS[0]), "link")
        remove.setToolTip("Leave nothing on the canvas: the next run draws from words alone. Undo brings it back")
        edit.clicked.connect(self.edit_result_requested)
        back.clicked.connect(self.show_document_requested)
        remove.clicked.connect(self.remove_requested)
        return edit, back, remove

    def _lay_out(self) -> None:
        bar = row(spacing=2, margins=(16, 4, 8, 4))
        bar.addWidget(self._settings_button)
        bar.addWidget(self._description_label, 1)
        bar.addWidget(self._follow_run_button)
        for link in (self._document_button, self._edit_button, self._remove_button):
            bar.addWidget(link)
        bar.addWidget(self._compare_button)
        for button in self._zoom_buttons:
            bar.addWidget(button)
        bar.addSpacing(16)
        for button in self._output_buttons:
            bar.addWidget(button)
        self.setLayout(bar)

    def set_zoom(self, zoom: float, *, enabled: bool = True) -> None:
        """`zoom` in screen pixels per picture pixel; the controls are disabled if not `enabled`."""
        percent = zoom * 100
        self._zoom_button.setText(f"{percent:.0f} %" if enabled else "–")
        self._zoom_button.setAccessibleName(f"Zoom {percent:.0f} percent")
        for button in self._zoom_buttons:
            button.setEnabled(enabled)

    def set_result(self, result: Result | None, kind: ResultKind = ResultKind.RESULT) -> None:
        """Describe the shown result and its relation to the picture on the canvas, and offer to save it."""
        self._description_label.setText("   ·   ".join((*_KIND_TEXTS[kind], describe_result(result))) if result else "")
        self._description_label.setToolTip(plain_text_tooltip(_result_tooltip(result)) if result else "")
        self._update_output_buttons(result is not None, _SAVE_RESULT_TOOLTIP)

    def _update_output_buttons(self, offered: bool, save: str) -> None:
        for button in self._output_buttons:
            button.setEnabled(offered)
        self._output_buttons[0].setToolTip(save)

    def set_text(self, text: str) -> None:
        """Show a text instead of a result."""
        self.set_result(None)
        self._description_label.setText(text)

    def set_document(self, name: str, size: Size) -> None:
        """Describe the document on the canvas: its file name, if any, and its size."""
        self.set_text("   ·   ".join(part for part in (name, f"{size.width} × {size.height}") if part))
        self._update_output_buttons(True, _SAVE_DOCUMENT_TOOLTIP)

    def set_compare(self, offered: bool, split: bool = False) -> None:
        """Show the split button if `offered`, checked if `split`."""
        self._compare_button.setVisible(offered)
        self._compare_button.setChecked(split)

    def set_edit_state(self, *, document: bool, result: bool) -> None:
        """`document`: a picture is being edited; `result`: a result, not that picture, is on the canvas."""
        self._edit_button.setVisible(result and not document)
        self._document_button.setVisible(document and result)
        self._remove_button.setVisible(document and not result)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for button, texts in (
            (self._document_button, _BACK_TEXTS),
            (self._edit_button, _EDIT_TEXTS),
            (self._remove_button, _REMOVE_TEXTS),
            (self._follow_run_button, _FOLLOW_TEXTS),
        ):
            button.setText(texts[0] if self.width() >= _FULL_TEXT_WIDTH else texts[1])

    def set_settings_offered(self, offered: bool) -> None:
        """Show the button for the settings of the picture that is shown."""
        self._settings_button.setVisible(offered)

    def set_follow_run_offered(self, offered: bool) -> None:
        """Show the button that returns to the picture in progress."""
        self._follow_run_button.setVisible(offered)


_KIND_TEXTS: dict[ResultKind, tuple[str, ...]] = {
    ResultKind.CANDIDATE: ("Candidate",),
    ResultKind.EARLIER: ("Earlier result",),
    ResultKind.RESULT: (),
}


def describe_result(result: Result) -> str:
    """Return the main facts about a picture."""
    sampling = result.request.sampling
    height, width = result.picture.pixels.shape[:2]  # a composited result has its picture's size
    parts = [
        f"{width} × {height}",
        f"seed {result.picture.seed}",
        f"{sampling.steps} steps",
        sampling.scheduler.label,
        f"guidance {sampling.guidance_scale:g}",
    ]
    return "   ·   ".join(parts)


def _result_tooltip(result: Result) -> str:
    where = f"Saved as {result.saved_to}" if result.saved_to else "Not saved yet"
    if result.problem is not None:
        where = f"Not saved: {result.problem}"
    return "\n".join((result.request.prompts.prompt or "No prompt", where, *result.picture.notes))
