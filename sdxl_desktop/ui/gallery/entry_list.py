"""The list that the gallery shows: the ids of all matching entries, and the entries themselves where they are looked
at. Everything is read off the main thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.history.entries import ChangeKind, DayCount, HistoryChange, HistoryEntry, HistoryFilter

if TYPE_CHECKING:
    from sdxl_desktop.history.store import History

BATCH = 128
"""Entries that are read at once."""
MAX_ENTRIES = 32 * BATCH
"""Entries that are kept in memory; the ids of all others are."""
_REFRESH_DELAY_MS = 150
"""Changes within this time are read together."""


@dataclass(frozen=True, slots=True)
class _Listing:
    ids: tuple[int, ...]
    days: tuple[DayCount, ...]


class EntryList(QObject):
    """The entries that match `filter`, newest first.

    Emits `listed` when the list has been read anew, `entries_loaded` when entries of it have arrived, and `failed`
    with a SdxlDesktopError when the history cannot be read.
    """

    listed = Signal()
    entries_loaded = Signal()
    failed = Signal(object)

    def __init__(self, history: HistoryThread, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._history = history
        self._filter = HistoryFilter()
        self._listing = _Listing((), ())
        self._numbers: dict[int, int] = {}
        self._entries: OrderedDict[int, HistoryEntry] = OrderedDict()
        self._reading = 0
        self._is_listed = False
        self._wanted = range(0)
        self._is_reading_entries = False
        self._unknown: set[int] = set()
        """Listed entries that could not be read: they are gone, and the list is about to be read again."""
        self._changed: set[int] = set()
        """Entries that have changed since they were read; they are shown as they were until they are read again."""
        self._refresh_timer = QTimer(self, singleShot=True, interval=_REFRESH_DELAY_MS)
        self._refresh_timer.timeout.connect(self.refresh)
        history.changed.connect(self._handle_change)

    @property
    def filter(self) -> HistoryFilter:
        return self._filter

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of all matching entries, newest first."""
        return self._listing.ids

    @property
    def numbers(self) -> dict[int, int]:
        """The position in `ids` of each id."""
        return self._numbers

    @property
    def days(self) -> tuple[DayCount, ...]:
        return self._listing.days

    @property
    def is_listed(self) -> bool:
        """Whether the list has been read at least once."""
        return self._is_listed

    def entry(self, entry_id: int) -> HistoryEntry | None:
        """Return the entry if it is in memory."""
        return self._entries.get(entry_id)

    def entry_at(self, number: int) -> HistoryEntry | None:
        return self._entries.get(self._listing.ids[number]) if 0 <= number < len(self._listing.ids) else None

    def set_filter(self, wanted: HistoryFilter) -> None:
        """List the entries that match `wanted`."""
        if wanted != self._filter or not self._is_listed:
            self._filter = wanted
            self.refresh()

    def refresh(self) -> None:
        """Read the list anew."""
        self._refresh_timer.stop()
        self._reading += 1
        reading, wanted = self._reading, self._filter

        def take(listing: _Listing) -> None:
            if reading == self._reading:
                self._set_listing(listing)

        self._history.read(lambda history: _read_listing(history, wanted), take, self.failed.emit, owner=self)

    def _handle_change(self, change: HistoryChange) -> None:
        self._changed |= set(self._entries) if change.kind is ChangeKind.RESET else set(change.ids)
        if self._is_listed:
            self._refresh_timer.start()
            self._read_entries()

    def _set_listing(self, listing: _Listing) -> None:
        self._listing = listing
        self._numbers = {entry_id: number for number, entry_id in enumerate(listing.ids)}
        self._unknown.clear()
        self._is_listed = True
        self._wanted = range(0)
        self.listed.emit()

    def want(self, numbers: range) -> None:
        """Read the entries at these positions, and nothing else that was wanted before."""
        self._wanted = numbers
        self._read_entries()

    def _read_entries(self) -> None:
        if self._is_reading_entries:
            return
        lacking = self._lacking()
        if not lacking:
            return
        self._is_reading_entries = True
        self._changed.difference_update(lacking)

        def take(entries: Sequence[HistoryEntry]) -> None:
            self._is_reading_entries = False
            for entry in entries:
                self._entries[entry.id] = entry
                self._entries.move_to_end(entry.id)
            while len(self._entries) > MAX_ENTRIES:
                self._changed.discard(self._entries.popitem(last=False)[0])
            gone = set(lacking).difference(entry.id for entry in entries)
            if gone:
                self._unknown |= gone
                self._refresh_timer.start()
            self.entries_loaded.emit()
            self._read_entries()

        def fail(error: SdxlDesktopError) -> None:
            self._is_reading_entries = False
            self._unknown.update(lacking)
            self.failed.emit(error)

        self._history.read(lambda history: history.entries(lacking), take, fail, owner=self)

    def _lacking(self) -> tuple[int, ...]:
        """Return the next ids to read."""
        ids = self._listing.ids[self._wanted.start : self._wanted.stop]
        read = (one for one in ids if one not in self._unknown)
        lacking = (one for one in read if one not in self._entries or one in self._changed)
        return tuple(islice(lacking, BATCH))

    def close(self) -> None:
        """Read nothing more. Safe to call twice."""
        self._refresh_timer.stop()
        self._reading += 1
        self._wanted = range(0)


def _read_listing(history: History, wanted: HistoryFilter) -> _Listing:
    """Return ids and days that belong together, although the history may change between two queries."""
    for _ in range(3):
        listing = _Listing(history.ids(wanted), history.days(wanted))
        if len(listing.ids) == sum(day.count for day in listing.days):
            return listing
    newest = listing.ids
    days: list[DayCount] = []
    left = len(newest)
    for day in listing.days:  # the last heading takes what is left, rather than nothing being shown
        count = min(day.count, left)
        days.append(DayCount(day.day, count))
        left -= count
    if left and days:
        days[-1] = DayCount(days[-1].day, days[-1].count + left)
    return _Listing(newest if days else (), tuple(day for day in days if day.count))
