"""The centre of the window: bar, canvas with its overlays, and the result strip."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPushButton, QStackedWidget, QWidget

from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.session.blend_history import BlendHistory
from sdxl_desktop.session.compositing import blend_settings_of, max_feather, same_drawing
from sdxl_desktop.session.current_run import CurrentRun
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.result_files import Result
from sdxl_desktop.session.result_kind import result_kind
from sdxl_desktop.ui.candidate_bar import CandidateBar
from sdxl_desktop.ui.canvas import Canvas
from sdxl_desktop.ui.canvas_bar import CanvasBar
from sdxl_desktop.ui.empty_state import EmptyState
from sdxl_desktop.ui.outgoing_pictures import OutgoingPictures
from sdxl_desktop.ui.painting.canvas_editor import CanvasEditor
from sdxl_desktop.ui.painting.paint_bar import PaintBar
from sdxl_desktop.ui.qt_images import to_image, upscale_preview
from sdxl_desktop.ui.result_strip import ResultStrip
from sdxl_desktop.ui.results_model import ResultListModel
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.layout_helpers import column, row
from sdxl_desktop.ui.widgets.notices import ErrorBanner, Toast


class CanvasArea(QWidget):
    """Shows the session's pictures. Follows the run in progress until the user selects an earlier result.

    While the canvas or the strip has the focus and a result is shown: Enter applies it, Delete discards it, Left and
    Right go to its neighbours.
    """

    result_menu_requested = Signal(int, QPoint)
    document_menu_requested = Signal(QPoint)
    result_shown = Signal()
    apply_requested = Signal()
    discard_requested = Signal()
    gallery_requested = Signal()

    def __init__(self, outgoing: OutgoingPictures, document: Document) -> None:
        super().__init__()
        self._outgoing = outgoing
        self._follows_run = True
        self._run: CurrentRun | None = None
        self._shown_result: Result | None = None
        self._preview: Pixels | None = None
        self._blends = BlendHistory()
        self._max_feather = 0.0
        self._results_model = ResultListModel(outgoing.mime_of_result, self)
        self.canvas_bar = CanvasBar()
        self.canvas = Canvas()
        self.candidate_bar = CandidateBar()
        self.paint_bar = PaintBar()
        self.canvas_editor = CanvasEditor(self.canvas, self.paint_bar, document)
        self._document = document
        self.empty_state = EmptyState()
        self.result_strip = ResultStrip(self._results_model)
        self._strip_row = QWidget()
        self._all_pictures_button = with_role(QPushButton("All pictures"), "link")
        self._all_pictures_button.setToolTip("Show every picture in the gallery (Ctrl+G)")
        self._pages = QStackedWidget()
        self._lay_out()
        self.banner = ErrorBanner(self._pages)
        self.toast = Toast(self)
        self.toast.available_rect = self._pages.geometry
        self.toast.avoid_rect, self.toast.fallback_rect = self._picture_rect, self._toast_fallback_rect
        self._connect()

    def _lay_out(self) -> None:
        self.setObjectName("canvasArea")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._pages.addWidget(self.empty_state)
        self._pages.addWidget(self.canvas)
        self._strip_row.setObjectName("stripRow")
        self._strip_row.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        strip_row = row(self.result_strip, self._all_pictures_button, spacing=4, margins=(0, 1, 8, 0))
        strip_row.setStretch(0, 1)
        self._strip_row.setLayout(strip_row)
        self._strip_row.hide()
        whole = column(self.canvas_bar, self.paint_bar, self.candidate_bar, self._pages, self._strip_row, spacing=0)
        whole.setStretch(3, 1)
        self.setLayout(whole)
        self._update_bars()

    def _connect(self) -> None:
        self._all_pictures_button.clicked.connect(self.gallery_requested)
        self.result_strip.row_selected.connect(self.go_to)
        self.result_strip.row_activated.connect(self.go_to)
        self.result_strip.context_menu_requested.connect(self.result_menu_requested)
        self.canvas.context_menu_requested.connect(self._request_menu)
        self.canvas.zoomed.connect(self._update_zoom)
        self.canvas.drag_requested.connect(self._start_drag)
        self.canvas_bar.drag_requested.connect(self._start_drag)
        self.canvas_bar.split_requested.connect(self.canvas.set_split)
        self.canvas.split_changed.connect(lambda split: self.canvas_bar.set_compare(self._can_compare, split))
        self.canvas_editor.document_changed.connect(self._handle_document_changed)
        self.candidate_bar.apply_requested.connect(self.apply_requested)
        self.candidate_bar.discard_requested.connect(self.discard_requested)
        self.canvas_bar.follow_run_requested.connect(self.follow_run)
        self.canvas_bar.fit_requested.connect(self.canvas.fit)
        self.canvas_bar.actual_size_requested.connect(self.canvas.show_actual_size)
        self.canvas_bar.zoom_in_requested.connect(self.canvas.zoom_in)
        self.canvas_bar.zoom_out_requested.connect(self.canvas.zoom_out)

    def minimumSizeHint(self) -> QSize:
        return QSize(480, 360)

    # session state

    def refresh(self, session: GenerationSession) -> None:
        """Show the session's current state."""
        started = session.run is not None and (self._run is None or self._run.request is not session.run.request)
        self._run = session.run
        if started:
            self._preview = None
        self._blends = session.blends
        row = self.result_strip.current_row()
        with self.result_strip.mute_signals():
            added = self._results_model.update(session.results)
            self.update_candidates()
        self._strip_row.setVisible(bool(session.results))
        if session.run is not None and self._follows_run:
            self._show_run(session.run, added)
        elif added and self._follows_run:
            self._show_row(self._results_model.rowCount() - 1)
        elif self._shown_result is not None:
            self._keep_or_replace_shown(self._shown_result, row)
        self._update_follow_button()
        if session.run is None and self._shown_result is None and not self.canvas_editor.is_attached:
            self._show_default()

    def _keep_or_replace_shown(self, result: Result, previous_row: int) -> None:
        """Keep the shown result. If it was removed from `previous_row`, show the result now there, or the one before.

        While a picture is being edited, only another candidate for it is shown instead; otherwise the picture is.
        """
        own = self._results_model.row_of(result)
        if own < 0:
            own = self._nearest_replacement(previous_row)
        if own >= 0:
            self._show_row(own)
        elif self._document.has_picture:
            self.show_document()
        else:
            self._shown_result = None

    def _nearest_replacement(self, row: int) -> int:
        """Return the row of the result at `row` or next to it that may replace a removed one; -1 if none may."""
        rows = range(self._results_model.rowCount())
        if self._document.has_picture:
            return next(
                (near for near in (row, row - 1) if near in rows and self._results_model.is_candidate(near)), -1
            )
        return max(0, min(row, len(rows) - 1)) if rows else -1

    def _show_run(self, run: CurrentRun, added: bool) -> None:
        if added:
            self._show_row(self._results_model.rowCount() - 1)
            self._preview = run.preview
        if run.preview is not None and run.preview is not self._preview:
            self._preview = run.preview
            self._show_preview(run.preview, run.request.sampling.size)
        elif self._shown_result is None and self._preview is None:
            self._show_waiting(run)

    def _show_waiting(self, run: CurrentRun) -> None:
        size = run.request.sampling.size
        if self._document.has_picture:  # shown until there is something newer
            if not self.canvas_editor.is_attached:
                self.show_document(following=True)
            return
        self._pages.setCurrentWidget(self.canvas)
        self.canvas.show_waiting(QSize(size.width, size.height), run.progress.phase.label)
        self.canvas_bar.set_text("")
        self._update_zoom()

    def _show_preview(self, pixels: Pixels, size: Size) -> None:
        self._shown_result = None
        self.canvas_editor.detach()
        self.result_strip.select_row(-1)
        self._pages.setCurrentWidget(self.canvas)
        self.canvas.set_image(upscale_preview(pixels, size))
        self.canvas_bar.set_text("Preview")
        self._update_bars()
        self._update_zoom()
        self.result_shown.emit()

    def show_default(self) -> None:
        """Show the picture being edited, else the last result, else the empty state."""
        self.canvas_editor.detach()
        self._show_default()

    def _show_default(self) -> None:
        if self._document.has_picture:
            self.show_document()
            return
        if self._results_model.rowCount():
            self._show_row(self._results_model.rowCount() - 1)
            return
        self.canvas.set_image(None)
        self._pages.setCurrentWidget(self.empty_state)
        self.canvas_bar.set_result(None)
        self._update_zoom()

    def follow_run(self) -> None:
        """Return to the run in progress."""
        self._follows_run = True
        if self._run is not None and self._run.preview is not None:
            self._show_preview(self._run.preview, self._run.request.sampling.size)
        self._update_follow_button()

    def _update_follow_button(self) -> None:
        self.canvas_bar.set_follow_run_offered(self._run is not None and not self._follows_run)

    # results

    def current_row(self) -> int:
        """The row of the result on the canvas, -1 if there is none."""
        return self.result_strip.current_row() if self._shown_result is not None else -1

    def go_to(self, row: int) -> None:
        """Show the result in `row`; a run in progress continues in the background."""
        self._follows_run = self._run is None
        self._show_row(row)
        self._update_follow_button()

    def step_result(self, by: int) -> None:
        """Go to the next (1) or previous (-1) result."""
        row = (
            self.result_strip.current_row() + by
            if self._shown_result is not None
            else self._results_model.rowCount() - 1
        )
        if 0 <= row < self._results_model.rowCount():
            self.go_to(row)

    def _show_row(self, row: int) -> None:
        result = self._results_model.result(row)
        if result is None:
            return
        self.result_strip.select_row(row)
        before, self._shown_result = self._shown_result, result
        if before is None or not same_drawing(before, result):
            self.canvas_editor.detach()
            self._pages.setCurrentWidget(self.canvas)
            self.canvas.set_image(to_image(result.picture.pixels))
            self._compare_with_document(result)
            self._max_feather = max_feather(result)
        elif before.picture is not result.picture:  # reblended
            self.canvas.set_image(to_image(result.picture.pixels))
        self.canvas_bar.set_result(result, result_kind(result, self._results_model.edit_source_digest))
        self._update_bars()
        self._update_zoom()
        self.result_shown.emit()

    @property
    def shown_result(self) -> Result | None:
        """The result on the canvas, None if something else is shown."""
        return self._shown_result

    def shown_pixels(self) -> Pixels | None:
        """The pixels on the canvas that can be saved, uint8 [H, W, 3]: the shown result, else the picture being edited.
        Read them immediately; do not store the array."""
        return self._document.picture if self._shown_result is None else self._shown_result.picture.pixels

    def compare(self, before: Result, after: Result) -> None:
        """Show `after` with a split view of `before`."""
        row = self._results_model.row_of(after)
        if row >= 0:
            self.go_to(row)
            self.canvas.set_before(to_image(before.picture.pixels))
            self.canvas.set_split(True)
            self._update_bars()

    # the document

    def update_candidates(self) -> None:
        """Update which results were generated from the current picture."""
        picture = self._document.picture_raster() if self._results_model.rowCount() else None
        self._results_model.set_edit_source_digest(None if picture is None else picture.digest)
        if self._shown_result is not None:
            self.canvas_bar.set_result(
                self._shown_result, result_kind(self._shown_result, self._results_model.edit_source_digest)
            )

    def show_document(self, *, following: bool = False) -> None:
        """Show the picture being edited; a run in progress continues in the background unless `following`."""
        if not self._document.has_picture:
            self.show_default()
            return
        self._follows_run = following or self._run is None
        self._shown_result = None
        self.result_strip.select_row(-1)
        self._pages.setCurrentWidget(self.canvas)
        self.canvas.set_before(None)
        self.canvas_editor.attach()
        self._update_document_text()
        self._update_follow_button()
        self._update_zoom()
        self.result_shown.emit()

    def _handle_document_changed(self) -> None:
        if self.canvas_editor.is_attached:
            if not self._document.has_picture:
                self.show_default()
                return
            self._update_document_text()
        self._update_bars()

    def update_document_title(self) -> None:
        """Update the text after the document's name has changed."""
        if self.canvas_editor.is_attached:
            self._update_document_text()

    def _update_document_text(self) -> None:
        size = self._document.size
        if size is not None:
            self.canvas_bar.set_document(self._document.title, size)
        self._update_bars()

    def _compare_with_document(self, result: Result) -> None:
        """Offer before and after if the result has the picture's size."""
        picture = self._document.picture
        same = picture is not None and picture.shape == result.picture.pixels.shape
        self.canvas.set_before(to_image(picture.copy()) if same and picture is not None else None)

    @property
    def _can_compare(self) -> bool:
        return self._shown_result is not None and self.canvas.can_compare

    def _update_bars(self) -> None:
        """Update the controls that apply to the canvas's content."""
        self.canvas_bar.set_edit_state(document=self._document.has_picture, result=self._shown_result is not None)
        self.canvas_bar.set_compare(self._can_compare, self.canvas.is_split)
        self.paint_bar.setVisible(self.canvas_editor.is_attached)
        self._update_candidate_bar()

    def _update_candidate_bar(self) -> None:
        shown = self._shown_result
        self.candidate_bar.set_candidate(
            None if shown is None else blend_settings_of(shown),
            None if shown is None else self._blends.original(shown),
            max_feather=self._max_feather,
            is_candidate=shown is not None and self._document.has_picture,
        )

    def _apply(self) -> None:
        if self._document.has_picture:
            self.apply_requested.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        looking = self.canvas.hasFocus() or self.result_strip.hasFocus()  # not a control of the bars
        act = _SHORTCUTS.get(Qt.Key(event.key())) if looking and self._shown_result is not None else None
        if act is None or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            super().keyPressEvent(event)
        else:
            act(self)

    def _start_drag(self) -> None:
        pixels = self.shown_pixels()
        if pixels is None:
            return
        if self._shown_result is not None:
            data = self._outgoing.mime_of_result(self._shown_result)
        else:
            home = self._document.save_state
            data = self._outgoing.mime_of_pixels(pixels, self._document.name, None if home is None else home.file)
        self._outgoing.drag(self, data, pixels)

    def _request_menu(self, position: QPoint) -> None:
        if self._shown_result is not None:
            self.result_menu_requested.emit(self.current_row(), position)
        elif self._document.has_picture:
            self.document_menu_requested.emit(position)

    def _picture_rect(self) -> QRect:
        """The picture's rectangle in this widget; empty if none is shown."""
        if self._pages.currentWidget() is not self.canvas or self.canvas.image() is None:
            return QRect()
        seen = self.canvas.viewport.picture_rect().toAlignedRect().intersected(self.canvas.rect())
        return seen.translated(self.canvas.mapTo(self, QPoint(0, 0)))

    def _toast_fallback_rect(self) -> QRect:
        """Where a toast goes if the picture fills the canvas: the strip, else the bar."""
        return (self._strip_row if self._strip_row.isVisible() else self.canvas_bar).geometry()

    def _update_zoom(self) -> None:
        self.canvas_bar.set_zoom(self.canvas.zoom, enabled=self.canvas.image() is not None)


_SHORTCUTS: dict[Qt.Key, Callable[[CanvasArea], None]] = {
    Qt.Key.Key_Return: CanvasArea._apply,
    Qt.Key.Key_Enter: CanvasArea._apply,
    Qt.Key.Key_Delete: lambda area: area.discard_requested.emit(),
    Qt.Key.Key_Left: lambda area: area.step_result(-1),
    Qt.Key.Key_Right: lambda area: area.step_result(1),
}
"""Key → action on the shown result."""
