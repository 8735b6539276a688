"""The entries of the selection, wherever they are in the list, and the details of the current one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.history.entries import HistoryDetails, HistoryEntry
from sdxl_desktop.ui.gallery.entry_list import EntryList

if TYPE_CHECKING:
    from sdxl_desktop.history.store import History

_BATCH = 1000
_DELAY_MS = 60
"""Holding an arrow key reads only where it ends."""


class SelectionReader(QObject):
    """Emits `details_read` with the details of the picture given to `want_details`; None if there is none any more."""

    details_read = Signal(object)

    def __init__(
        self,
        history: HistoryThread,
        entries: EntryList,
        show_error: Callable[[SdxlDesktopError], object],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._history, self._entries, self._show_error = history, entries, show_error
        self._wanted: int | None = None
        self._timer = QTimer(self, singleShot=True, interval=_DELAY_MS)
        self._timer.timeout.connect(self._read_details)

    def want_details(self, entry_id: int | None) -> None:
        """Read the details of an entry soon; None: of none."""
        self._wanted = entry_id
        if entry_id is None:
            self._timer.stop()
        else:
            self._timer.start()

    def _read_details(self) -> None:
        wanted = self._wanted
        if wanted is None:
            return

        def take(details: HistoryDetails | None) -> None:
            if wanted == self._wanted:
                self.details_read.emit(details)

        self._history.read(lambda history: history.details(wanted), take, self._show_error, owner=self)

    def with_entries(self, ids: Sequence[int], use: Callable[[tuple[HistoryEntry, ...]], object]) -> None:
        """Call `use` with the entries: at once if all are in memory, else when they have been read. Those that are gone
        are left out; if all are, it is not called."""
        known = [self._entries.entry(one) for one in ids]
        present = tuple(entry for entry in known if entry is not None)
        if not ids:
            return
        if len(present) == len(ids):
            use(present)
            return
        self._history.read(
            lambda history: _entries(history, ids), lambda found: found and use(found), self._show_error, owner=self
        )

    def close(self) -> None:
        """Read nothing more. Safe to call twice."""
        self._timer.stop()
        self._wanted = None


def _entries(history: History, ids: Sequence[int]) -> tuple[HistoryEntry, ...]:
    """Return the entries of any number of ids; SQLite limits the parameters of a statement."""
    found: list[HistoryEntry] = []
    for start in range(0, len(ids), _BATCH):
        found += history.entries(ids[start : start + _BATCH])
    return tuple(found)
