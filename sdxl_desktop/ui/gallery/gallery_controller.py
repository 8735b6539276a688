"""Puts the gallery into the window: opens and closes it, and connects its page to what can be done with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtWidgets import QStackedWidget, QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.history.entries import ChangeKind, HistoryChange, HistoryEntry, TagCount
from sdxl_desktop.ui.gallery.gallery_actions import GalleryActions
from sdxl_desktop.ui.gallery.gallery_context import GalleryContext
from sdxl_desktop.ui.gallery.gallery_menu import GalleryCommands, gallery_menu
from sdxl_desktop.ui.gallery.gallery_page import GalleryPage
from sdxl_desktop.ui.gallery.recent_strip import RecentStrip
from sdxl_desktop.ui.gallery.slide_show import SlideShow
from sdxl_desktop.ui.gallery.tag_editor import TagEditor
from sdxl_desktop.ui.gallery.trash_actions import TrashActions


class GalleryController(QObject):
    """Adds the gallery's page to `stack`, whose first page is the work. `slide_show` is the one shown now, if any."""

    def __init__(self, context: GalleryContext, stack: QStackedWidget) -> None:
        super().__init__(stack)
        self._context, self._stack = context, stack
        self.page = GalleryPage(context.history, context.background, context.thumbnails)
        stack.addWidget(self.page)
        notify, show_error = self._notify, self._show_error
        self.actions = GalleryActions(context, notify, show_error, self)
        self.trash = TrashActions(context.history, context.background, context.session, notify, show_error, self)
        self.recent = RecentStrip(context, self)
        self.slide_show: SlideShow | None = None
        self._commands = GalleryCommands(self.page.compare, self.show_slides, self.edit_tags, self.delete)
        self._connect()

    def _connect(self) -> None:
        page, actions = self.page, self.actions
        page.back_requested.connect(self.close)
        page.draw_requested.connect(self._begin_drawing)
        page.activated.connect(lambda: page.with_current(actions.open_on_canvas))
        page.menu_requested.connect(lambda position: page.with_selected(lambda found: self._open_menu(found, position)))
        page.delete_requested.connect(self.delete)
        page.undo_requested.connect(self.trash.undo)
        page.star_requested.connect(lambda: page.with_selected(actions.star))
        page.rating_requested.connect(lambda rating: actions.rate(page.selected_ids(), rating))
        page.copy_requested.connect(lambda: page.with_selected(actions.copy))
        page.use_settings_requested.connect(lambda: page.with_current(actions.use_settings))
        page.tags_requested.connect(self.edit_tags)
        page.drag_requested.connect(self._drag)
        page.slide_show_requested.connect(self.show_slides)
        actions.canvas_wanted.connect(self.close)
        self._context.canvas_area.gallery_requested.connect(self.open)
        self._context.history.changed.connect(self._handle_change)

    # opening

    @property
    def is_open(self) -> bool:
        return self._stack.currentWidget() is self.page

    def open(self) -> None:
        """Show the gallery; if nothing was selected there before, with the picture on the canvas selected."""
        shown = self._context.canvas_area.shown_result
        file = None if shown is None else shown.saved_to

        def select(entry: HistoryEntry | None) -> None:
            if entry is not None:
                self.page.select_when_listed(entry.id)

        if file is not None and self.page.grid.current is None:
            self._context.history.read(
                lambda history: history.entry_of_file(file),
                select,
                self.page.show_error,
                owner=self,
            )
        self._stack.setCurrentWidget(self.page)

    def close(self) -> None:
        """Return to the canvas."""
        if self.is_open:
            self._stack.setCurrentIndex(0)
            self._context.canvas_area.canvas.setFocus()

    def toggle(self) -> None:
        if self.is_open:
            self.close()
        else:
            self.open()

    def _begin_drawing(self) -> None:
        self.close()
        self._context.parameters_panel.focus_prompt()

    def shut_down(self) -> None:
        """Stop all reading: the window closes. Safe to call twice."""
        if self.slide_show is not None:
            self.slide_show.close()
        self.page.close_page()

    def _handle_change(self, change: HistoryChange) -> None:
        """Read the thumbnails of files again that may have changed."""
        if change.kind is ChangeKind.RESET:
            self.page.thumbnails.forget_unavailable()
        for entry_id in change.ids:
            entry = self.page.entries.entry(entry_id)
            if entry is not None:
                self.page.thumbnails.outdate(entry.file)

    def _show_error(self, error: SdxlDesktopError) -> None:
        """Show an error where it is seen: in the gallery, or over the canvas if that is shown by now."""
        if self.is_open:
            self.page.show_error(error)
        else:
            self._context.controller.show_error(error)

    def _notify(self, text: str, **options: Any) -> None:
        toast = self.page.toast if self.is_open else self._context.canvas_area.toast
        toast.notify(text, **options)

    # actions with dialogs

    def _open_menu(self, entries: Sequence[HistoryEntry], position: QPoint) -> None:
        menu = gallery_menu(entries, self.actions, self._commands, self.page)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(position)

    def delete(self) -> None:
        """Delete the selected pictures."""
        self.page.with_selected(self.trash.delete)

    def edit_tags(self) -> None:
        """Edit the tags of the selected pictures."""
        self.page.with_selected(self._read_tags)

    def _read_tags(self, entries: Sequence[HistoryEntry]) -> None:
        self._context.history.read(
            lambda history: history.tags(),
            lambda tags: self._open_tag_editor(entries, tags),
            self.page.show_error,
            owner=self,
        )

    def _open_tag_editor(self, entries: Sequence[HistoryEntry], tags: Sequence[TagCount]) -> None:
        editor = TagEditor(entries, tags, self.page)
        editor.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        ids = [entry.id for entry in entries]
        editor.accepted.connect(lambda: self.actions.change_tags(ids, editor.value()))
        editor.open()

    def _drag(self) -> None:
        source: QWidget = self.page.grid.viewport()
        self.page.with_selected(lambda entries: self.actions.drag(entries, self.page.drag_pixmap(), source))

    def show_slides(self) -> None:
        """Show the selected pictures, or all if fewer than two are selected, on the whole screen."""
        page = self.page
        selected = page.grid.selected
        ids = selected if len(selected) > 1 else page.entries.ids
        if not ids or self.slide_show is not None:
            return
        current = page.grid.current
        start = ids.index(current) if current is not None and current in ids else 0
        show = SlideShow(
            ids,
            start,
            lambda entry_id, use: page.selection.with_entries([entry_id], lambda found: use(found[0])),
            self._context.background,
            page,
        )
        show.closed.connect(self._end_slides)
        self.slide_show = show
        show.showFullScreen()

    def _end_slides(self, last: int) -> None:
        self.slide_show = None
        if last in self.page.entries.numbers and len(self.page.grid.selected) <= 1:
            self.page.grid.select(last)
        self.page.grid.setFocus()
