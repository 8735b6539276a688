"""The centre of the window: bar, canvas with what lies over it, and the strip of results."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QStackedWidget, QWidget

from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.session.blend import Blends, blend_of, reach, same_drawing
from sdxl_desktop.session.candidates import kind_of
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.pictures import Result
from sdxl_desktop.session.session import Run, Session
from sdxl_desktop.ui.candidate_bar import CandidateBar
from sdxl_desktop.ui.canvas import Canvas
from sdxl_desktop.ui.canvas_bar import CanvasBar
from sdxl_desktop.ui.empty_state import EmptyState
from sdxl_desktop.ui.images import enlarged, to_image
from sdxl_desktop.ui.painting.easel import Easel
from sdxl_desktop.ui.painting.toolbar import PaintBar
from sdxl_desktop.ui.results_model import ResultListModel
from sdxl_desktop.ui.strip import ResultStrip
from sdxl_desktop.ui.transfer import OutgoingPictures
from sdxl_desktop.ui.widgets.layout import column
from sdxl_desktop.ui.widgets.notices import Banner, Toast


class Stage(QWidget):
    """Shows the session's pictures. Follows the run in progress until the person goes to an earlier result.

    While the canvas or the strip has the keyboard and shows a result: Enter applies it, Delete discards it, Left and
    Right go to its neighbours.
    """

    menu_wanted = Signal(int, QPoint)
    document_menu_wanted = Signal(QPoint)
    result_shown = Signal()
    apply_wanted = Signal()
    discard_wanted = Signal()

    def __init__(self, outgoing: OutgoingPictures, document: Document) -> None:
        super().__init__()
        self._outgoing = outgoing
        self._following = True
        self._run: Run | None = None
        self._shown: Result | None = None
        self._preview: Pixels | None = None
        self._blends = Blends()
        self._reach = 0.0
        self._results = ResultListModel(outgoing.mime, self)
        self.bar = CanvasBar()
        self.canvas = Canvas()
        self.candidate_bar = CandidateBar()
        self.paint_bar = PaintBar()
        self.easel = Easel(self.canvas, self.paint_bar, document)
        self._document = document
        self.empty = EmptyState()
        self.strip = ResultStrip(self._results)
        self._pages = QStackedWidget()
        self._lay_out()
        self.banner = Banner(self._pages)
        self.toast = Toast(self)
        self.toast.room = self._pages.geometry
        self.toast.keep_off, self.toast.elsewhere = self._picture_place, self._beside_picture
        self._connect()

    def _lay_out(self) -> None:
        self.setObjectName("stage")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self.canvas)
        self.strip.hide()
        whole = column(self.bar, self.paint_bar, self.candidate_bar, self._pages, self.strip, spacing=0)
        whole.setStretch(3, 1)
        self.setLayout(whole)
        self._show_editing()

    def _connect(self) -> None:
        self.strip.chosen.connect(self.go_to)
        self.strip.opened.connect(self.go_to)
        self.strip.menu_wanted.connect(self.menu_wanted)
        self.canvas.menu_wanted.connect(self._ask_for_menu)
        self.canvas.zoomed.connect(self._show_zoom)
        self.canvas.drag_wanted.connect(self._drag)
        self.bar.drag_wanted.connect(self._drag)
        self.bar.split_wanted.connect(self.canvas.show_split)
        self.canvas.split_shown.connect(lambda split: self.bar.show_compare(self._comparable, split))
        self.easel.document_changed.connect(self._document_changed)
        self.candidate_bar.apply_wanted.connect(self.apply_wanted)
        self.candidate_bar.discard_wanted.connect(self.discard_wanted)
        self.bar.live_wanted.connect(self.follow)
        self.bar.fit_wanted.connect(self.canvas.fit)
        self.bar.actual_size_wanted.connect(self.canvas.show_actual_size)
        self.bar.zoom_in_wanted.connect(self.canvas.zoom_in)
        self.bar.zoom_out_wanted.connect(self.canvas.zoom_out)

    def minimumSizeHint(self) -> QSize:
        return QSize(480, 360)

    # following the session

    def redraw(self, session: Session) -> None:
        """Show where the session stands."""
        started = session.run is not None and (self._run is None or self._run.request is not session.run.request)
        self._run = session.run
        if started:
            self._preview = None
        self._blends = session.blends
        row = self.strip.current_row()
        with self.strip.quiet():
            added = self._results.update(session.results)
            self.mark_candidates()
        self.strip.setVisible(bool(session.results))
        if session.run is not None and self._following:
            self._show_run(session.run, added)
        elif added and self._following:
            self._show_row(self._results.rowCount() - 1)
        elif self._shown is not None:
            self._show_same_or_next(self._shown, row)
        self._show_live()
        if session.run is None and self._shown is None and not self.easel.editing:
            self._settle()

    def _show_same_or_next(self, shown: Result, row: int) -> None:
        """Stay with what is shown; where it is gone from `row`, show what has taken its place, or the one before.

        Beside a picture that is being edited only another candidate for it takes that place; else the picture does.
        """
        own = self._results.row_of(shown)
        if own < 0:
            own = self._nearest(row)
        if own >= 0:
            self._show_row(own)
        elif self._document.has_picture:
            self.show_document()
        else:
            self._shown = None

    def _nearest(self, row: int) -> int:
        """The result at `row` or next to it, of those that may take the place of one that is gone; -1: none may."""
        rows = range(self._results.rowCount())
        if self._document.has_picture:
            return next((near for near in (row, row - 1) if near in rows and self._results.is_candidate(near)), -1)
        return max(0, min(row, len(rows) - 1)) if rows else -1

    def _show_run(self, run: Run, added: bool) -> None:
        if added:
            self._show_row(self._results.rowCount() - 1)
            self._preview = run.preview
        if run.preview is not None and run.preview is not self._preview:
            self._preview = run.preview
            self._show_preview(run.preview, run.request.sampling.size)
        elif self._shown is None and self._preview is None:
            self._show_waiting(run)

    def _show_waiting(self, run: Run) -> None:
        size = run.request.sampling.size
        if self._document.has_picture:  # it stays in sight until there is something newer
            if not self.easel.editing:
                self.show_document(following=True)
            return
        self._pages.setCurrentWidget(self.canvas)
        self.canvas.show_waiting(QSize(size.width, size.height), run.progress.phase.label)
        self.bar.show_words("")
        self._show_zoom()

    def _show_preview(self, pixels: Pixels, size: Size) -> None:
        self._shown = None
        self.easel.put_away()
        self.strip.show_row(-1)
        self._pages.setCurrentWidget(self.canvas)
        self.canvas.show_image(enlarged(pixels, size))
        self.bar.show_words("Preview")
        self._show_editing()
        self._show_zoom()
        self.result_shown.emit()

    def settle(self) -> None:
        """Show what there is: the picture being edited, else the last result, else the invitation."""
        self.easel.put_away()
        self._settle()

    def _settle(self) -> None:
        if self._document.has_picture:
            self.show_document()
            return
        if self._results.rowCount():
            self._show_row(self._results.rowCount() - 1)
            return
        self.canvas.show_image(None)
        self._pages.setCurrentWidget(self.empty)
        self.bar.show_result(None)
        self._show_zoom()

    def follow(self) -> None:
        """Back to the run in progress."""
        self._following = True
        if self._run is not None and self._run.preview is not None:
            self._show_preview(self._run.preview, self._run.request.sampling.size)
        self._show_live()

    def _show_live(self) -> None:
        self.bar.show_live(self._run is not None and not self._following)

    # results

    def current_row(self) -> int:
        """The row of the result on the canvas, -1 when there is none."""
        return self.strip.current_row() if self._shown is not None else -1

    def go_to(self, row: int) -> None:
        """Put the result in `row` onto the canvas; a run in progress goes on out of sight."""
        self._following = self._run is None
        self._show_row(row)
        self._show_live()

    def step(self, by: int) -> None:
        """Go to the next (1) or previous (-1) result."""
        row = self.strip.current_row() + by if self._shown is not None else self._results.rowCount() - 1
        if 0 <= row < self._results.rowCount():
            self.go_to(row)

    def _show_row(self, row: int) -> None:
        result = self._results.result(row)
        if result is None:
            return
        self.strip.show_row(row)
        before, self._shown = self._shown, result
        if before is None or not same_drawing(before, result):
            self.easel.put_away()
            self._pages.setCurrentWidget(self.canvas)
            self.canvas.show_image(to_image(result.picture.pixels))
            self._compare_with_document(result)
            self._reach = reach(result)
        elif before.picture is not result.picture:  # blended anew
            self.canvas.show_image(to_image(result.picture.pixels))
        self.bar.show_result(result, kind_of(result, self._results.ground))
        self._show_editing()
        self._show_zoom()
        self.result_shown.emit()

    @property
    def shown_result(self) -> Result | None:
        """The result on the canvas, None when something else is."""
        return self._shown

    def shown_pixels(self) -> Pixels | None:
        """What is on the canvas and can be kept, uint8 [H, W, 3]: the shown result, else the picture being edited. To
        be read at once, not kept."""
        return self._document.picture if self._shown is None else self._shown.picture.pixels

    def compare(self, before: Result, after: Result) -> None:
        """Show `after` with a line to draw `before` over it."""
        row = self._results.row_of(after)
        if row >= 0:
            self.go_to(row)
            self.canvas.compare_with(to_image(before.picture.pixels))
            self.canvas.show_split(True)
            self._show_editing()

    # the document

    def mark_candidates(self) -> None:
        """Tell the results that were drawn on the picture as it is now from all others."""
        picture = self._document.picture_raster() if self._results.rowCount() else None
        self._results.show_ground(None if picture is None else picture.digest)
        if self._shown is not None:
            self.bar.show_result(self._shown, kind_of(self._shown, self._results.ground))

    def show_document(self, *, following: bool = False) -> None:
        """Put the picture being edited onto the canvas; a run in progress goes on out of sight unless `following`."""
        if not self._document.has_picture:
            self.settle()
            return
        self._following = following or self._run is None
        self._shown = None
        self.strip.show_row(-1)
        self._pages.setCurrentWidget(self.canvas)
        self.canvas.compare_with(None)
        self.easel.edit()
        self._show_document_words()
        self._show_live()
        self._show_zoom()
        self.result_shown.emit()

    def _document_changed(self) -> None:
        if self.easel.editing:
            if not self._document.has_picture:
                self.settle()
                return
            self._show_document_words()
        self._show_editing()

    def rename_document(self) -> None:
        """The document has another name now."""
        if self.easel.editing:
            self._show_document_words()

    def _show_document_words(self) -> None:
        size = self._document.size
        if size is not None:
            self.bar.show_document(self._document.title, size)
        self._show_editing()

    def _compare_with_document(self, result: Result) -> None:
        """Offer before and after where a result is of the picture's size."""
        picture = self._document.picture
        same = picture is not None and picture.shape == result.picture.pixels.shape
        self.canvas.compare_with(to_image(picture.copy()) if same and picture is not None else None)

    @property
    def _comparable(self) -> bool:
        return self._shown is not None and self.canvas.comparable

    def _show_editing(self) -> None:
        """Offer what can be done with what is on the canvas."""
        self.bar.show_editing(document=self._document.has_picture, result=self._shown is not None)
        self.bar.show_compare(self._comparable, self.canvas.split)
        self.paint_bar.setVisible(self.easel.editing)
        self._show_candidate()

    def _show_candidate(self) -> None:
        shown = self._shown
        self.candidate_bar.show_candidate(
            None if shown is None else blend_of(shown),
            None if shown is None else self._blends.first(shown),
            reach=self._reach,
            candidate=shown is not None and self._document.has_picture,
        )

    def _apply(self) -> None:
        if self._document.has_picture:
            self.apply_wanted.emit()

    def keyPressEvent(self, key: QKeyEvent) -> None:
        looking = self.canvas.hasFocus() or self.strip.hasFocus()  # not a button or a field of the bars
        act = _KEYS.get(Qt.Key(key.key())) if looking and self._shown is not None else None
        if act is None or key.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            super().keyPressEvent(key)
        else:
            act(self)

    def _drag(self) -> None:
        pixels = self.shown_pixels()
        if pixels is None:
            return
        if self._shown is not None:
            data = self._outgoing.mime(self._shown)
        else:
            home = self._document.home
            data = self._outgoing.mime_of(pixels, self._document.name, None if home is None else home.file)
        self._outgoing.drag(self, data, pixels)

    def _ask_for_menu(self, place: QPoint) -> None:
        if self._shown is not None:
            self.menu_wanted.emit(self.current_row(), place)
        elif self._document.has_picture:
            self.document_menu_wanted.emit(place)

    def _picture_place(self) -> QRect:
        """Where the picture lies in the stage; empty where none is shown."""
        if self._pages.currentWidget() is not self.canvas or self.canvas.image() is None:
            return QRect()
        seen = self.canvas.look.target().toAlignedRect().intersected(self.canvas.rect())
        return seen.translated(self.canvas.mapTo(self, QPoint(0, 0)))

    def _beside_picture(self) -> QRect:
        """Where something may be told for a moment when the picture fills the canvas: the strip, else the bar."""
        return (self.strip if self.strip.isVisible() else self.bar).geometry()

    def _show_zoom(self) -> None:
        self.bar.show_zoom(self.canvas.zoom, shown=self.canvas.image() is not None)


_KEYS: dict[Qt.Key, Callable[[Stage], None]] = {
    Qt.Key.Key_Return: Stage._apply,
    Qt.Key.Key_Enter: Stage._apply,
    Qt.Key.Key_Delete: lambda stage: stage.discard_wanted.emit(),
    Qt.Key.Key_Left: lambda stage: stage.step(-1),
    Qt.Key.Key_Right: lambda stage: stage.step(1),
}
"""What a key means for the result that is shown."""
