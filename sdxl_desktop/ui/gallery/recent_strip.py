"""Fills the strip below the canvas with the most recent pictures of earlier sessions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.history.entries import EntryState, HistoryDetails, HistoryFilter
from sdxl_desktop.session.recent_results import DEFAULT_RECENT, result_of
from sdxl_desktop.session.result_files import Result
from sdxl_desktop.ui.gallery.gallery_context import GalleryContext

if TYPE_CHECKING:
    from sdxl_desktop.history.store import History

MAX_BYTES = 96 * 2**20
"""Bytes of pixels after which no more pictures are read."""
_BATCH = 4


class RecentStrip(QObject):
    """`fill` puts the most recent pictures before those of this session; those that are there already stay."""

    def __init__(self, context: GalleryContext, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self.selected: Path | None = None
        """The picture that the canvas showed at the last exit; it is shown again as soon as it is in the strip."""

    def fill(self) -> None:
        """Read the pictures in the background and put them into the strip. Without a history it stays as it is."""
        self._context.history.read(_recent_details, self._read, lambda _: None, owner=self)

    def _read(self, newest_first: Sequence[HistoryDetails], room: int = MAX_BYTES) -> None:
        """Read the pictures in batches, so that the newest ones appear at once."""
        known = {result.saved_to for result in self._context.session.results}
        wanted = [details for details in newest_first if details.entry.file not in known]
        if not wanted or room <= 0:
            return

        def take(results: tuple[Result, ...]) -> None:
            self._context.session.add_earlier(results)
            self._select()
            self._read(wanted[_BATCH:], room - sum(result.picture.pixels.nbytes for result in results))

        self._context.background.read(lambda: _read_results(wanted[:_BATCH]), take, lambda _: None, owner=self)

    def _select(self) -> None:
        """Show the selected picture, unless something was drawn meanwhile."""
        session = self._context.session
        if self.selected is None or session.run is not None or not all(one.is_earlier for one in session.results):
            return
        for row, result in enumerate(session.results):
            if result.saved_to == self.selected:
                self.selected = None
                self._context.canvas_area.go_to(row)
                return


def _recent_details(history: History) -> tuple[HistoryDetails, ...]:
    """Return the newest entries whose files are there, newest first."""
    newest = history.page(HistoryFilter(state=EntryState.PRESENT), 0, DEFAULT_RECENT)
    found = (history.details(entry.id) for entry in newest)
    return tuple(details for details in found if details is not None and details.record is not None)


def _read_results(newest_first: Sequence[HistoryDetails]) -> tuple[Result, ...]:
    """Return those that can be read, oldest first."""
    found: list[Result] = []
    for details in newest_first:
        with suppress(PictureError):  # moved, deleted or damaged: the gallery says so
            found.append(replace(result_of(details), is_earlier=True))
    return tuple(reversed(found))
