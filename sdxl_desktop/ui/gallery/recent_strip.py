"""Fills the strip below the canvas with the most recent pictures of earlier sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
"""Maximum bytes of the pixels that are read."""


class RecentStrip(QObject):
    """`fill` puts the most recent pictures before those of this session; those that are there already stay."""

    def __init__(self, context: GalleryContext, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context

    def fill(self) -> None:
        """Read the pictures in the background and put them into the strip. Without a history it stays as it is."""
        self._context.history.read(_recent_details, self._read, lambda _: None, owner=self)

    def _read(self, newest_first: Sequence[HistoryDetails]) -> None:
        known = {result.saved_to for result in self._context.session.results}
        wanted = [details for details in newest_first if details.entry.file not in known]
        if wanted:
            self._context.background.read(
                lambda: _read_results(wanted), self._context.session.add_earlier, lambda _: None, owner=self
            )


def _recent_details(history: History) -> tuple[HistoryDetails, ...]:
    """Return the newest entries whose files are there, newest first."""
    newest = history.page(HistoryFilter(state=EntryState.PRESENT), 0, DEFAULT_RECENT)
    found = (history.details(entry.id) for entry in newest)
    return tuple(details for details in found if details is not None and details.record is not None)


def _read_results(newest_first: Sequence[HistoryDetails]) -> tuple[Result, ...]:
    """Return those that can be read, oldest first, as many as there is room for."""
    found: list[Result] = []
    room = MAX_BYTES
    for details in newest_first:
        try:
            result = replace(result_of(details), is_earlier=True)
        except PictureError:  # moved, deleted or damaged: the gallery says so
            continue
        room -= result.picture.pixels.nbytes
        if room < 0 and found:
            break
        found.append(result)
    return tuple(reversed(found))
