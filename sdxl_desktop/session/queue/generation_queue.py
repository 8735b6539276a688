"""The queue as an immutable value: items in the order the user asked for them. Each operation returns a new queue."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.session.queue.arrangement import RunSetup, arrange, by_priority
from sdxl_desktop.session.queue.queue_item import ItemState, Priority, QueueItem, new_id

MAX_ERROR = 500


class Hold(StrEnum):
    """Why nothing starts by itself: not at all, because the `USER` wants it, or since the `START` of the window: what
    was left by an earlier one is not drawn without being asked."""

    NONE = "none"
    USER = "user"
    START = "start"


@dataclass(frozen=True, slots=True, eq=False)
class GenerationQueue:
    """`items` in the order the user asked for them, at most one running; `removed` are the last ones taken out, each
    with its former index, for `with_removed_again`. `arranged`: they are drawn as `arrangement` orders them."""

    items: tuple[QueueItem, ...] = ()
    hold: Hold = Hold.NONE
    arranged: bool = True
    removed: tuple[tuple[int, QueueItem], ...] = ()

    # reading

    def find(self, item_id: str) -> QueueItem | None:
        return next((item for item in self.items if item.id == item_id), None)

    @property
    def running(self) -> QueueItem | None:
        return next((item for item in self.items if item.state is ItemState.RUNNING), None)

    @property
    def waiting(self) -> tuple[QueueItem, ...]:
        """The items that wait for their turn, in the order the user asked for them."""
        return tuple(item for item in self.items if item.state is ItemState.WAITING)

    @property
    def skipped(self) -> tuple[QueueItem, ...]:
        """The items that are paused or have failed: they wait for the user."""
        return tuple(item for item in self.items if item.state in (ItemState.PAUSED, ItemState.FAILED))

    @property
    def remaining_pictures(self) -> int:
        """The number of pictures that are still to be drawn, without failed items."""
        return sum(item.remaining for item in self.items if item.state is not ItemState.FAILED)

    def upcoming(self, loaded: RunSetup | None = None) -> tuple[QueueItem, ...]:
        """The waiting items in the order in which they are drawn, if the engine has loaded `loaded`."""
        running = self.running
        loaded = loaded if running is None else RunSetup.of(running.request)
        return arrange(self.waiting, loaded) if self.arranged else by_priority(self.waiting)

    def listed(self, loaded: RunSetup | None = None) -> tuple[QueueItem, ...]:
        """All items as a list shows them: the running one, the waiting ones as they are drawn, and the others."""
        running = self.running
        return (*(() if running is None else (running,)), *self.upcoming(loaded), *self.skipped)

    def next_item(self, loaded: RunSetup | None = None) -> QueueItem | None:
        """The item to start now; None if there is none or the queue is on hold."""
        upcoming = self.upcoming(loaded)
        if self.hold is not Hold.NONE:
            upcoming = tuple(item for item in upcoming if item.bypasses_hold)
        return upcoming[0] if upcoming else None

    # what the user does

    def added(self, item: QueueItem) -> GenerationQueue:
        """With `item` as the last; a hold since the start ends if nothing of then is left."""
        is_over = self.hold is Hold.START and not self.waiting
        return replace(self, items=(*self.items, item), hold=Hold.NONE if is_over else self.hold)

    def added_next(self, item: QueueItem) -> GenerationQueue:
        """With `item` before all that wait."""
        return self.added(item).run_next(item.id)

    def run_next(self, item_id: str) -> GenerationQueue:
        """With this item before all that wait; it keeps that place, and waits even if it was paused or had failed."""
        item = self.find(item_id)
        if item is None or item.state is ItemState.RUNNING:
            return self
        high = max((other.priority for other in self.waiting), default=item.priority)
        first = replace(
            item, state=ItemState.WAITING, placed=True, priority=max(item.priority, high), error="", overtaken=0
        )
        running = tuple(other for other in self.items if other.state is ItemState.RUNNING)
        rest = (other for other in self.items if other.id != item_id and other not in running)
        return replace(self, items=(*running, first, *rest))

    def moved(self, item_ids: Sequence[str], row: int, loaded: RunSetup | None = None) -> GenerationQueue:
        """With these items before the one that is at `row` of `listed` now. They keep that place; an item that is moved
        among others of another priority takes theirs. The running item stays the first."""
        listed = list(self.listed(loaded))
        moving = [item for item in listed if item.id in item_ids and item.state is not ItemState.RUNNING]
        above = [item for item in listed[:row] if item not in moving]
        below = [item for item in listed[row:] if item not in moving and item.state is not ItemState.RUNNING]
        above += [item for item in listed[row:] if item.state is ItemState.RUNNING]
        waiting = [one for one in (*above[-1:], *below[:1]) if one.state is ItemState.WAITING]
        placed = [
            replace(item, placed=True, overtaken=0, priority=_between(item.priority, above, below)) if waiting else item
            for item in moving
        ]
        return replace(self, items=(*above, *placed, *below))

    def removed_items(self, item_ids: Collection[str]) -> GenerationQueue:
        """Without these items, except a running one; `with_removed_again` restores them."""
        gone = tuple(
            (index, item)
            for index, item in enumerate(self.items)
            if item.id in item_ids and item.state is not ItemState.RUNNING
        )
        if not gone:
            return self
        ids = {item.id for _, item in gone}
        return replace(self, items=tuple(item for item in self.items if item.id not in ids), removed=gone)

    def cleared(self) -> GenerationQueue:
        """Without all items but the running one."""
        return self.removed_items([item.id for item in self.items])

    def with_removed_again(self) -> GenerationQueue:
        """With the items that were taken out last, each in its former place."""
        items = list(self.items)
        for index, item in self.removed:
            items.insert(min(index, len(items)), item)
        running = [item for item in items if item.state is ItemState.RUNNING]
        rest = [item for item in items if item.state is not ItemState.RUNNING]
        return replace(self, items=(*running, *rest), removed=())

    def duplicated(self, item_id: str) -> GenerationQueue:
        """With a copy of this item after it, from the beginning and with the same request."""
        item = self.find(item_id)
        if item is None:
            return self
        copy = QueueItem(request=item.request, priority=item.priority, placed=item.placed)
        at = self.items.index(item) + 1
        return replace(self, items=(*self.items[:at], copy, *self.items[at:]))

    def with_priority(self, item_ids: Collection[str], priority: Priority) -> GenerationQueue:
        return self._changed(item_ids, priority=priority)

    def with_request(self, item_id: str, request: GenerationRequest) -> GenerationQueue:
        """With another request for this item, which waits and starts from its beginning."""
        return self._changed(
            (item_id,), request=request, state=ItemState.WAITING, finished=0, paused=None, error="", id=new_id()
        )

    def with_paused_item(self, item_id: str) -> GenerationQueue:
        """With this item skipped until `with_continued_item`."""
        item = self.find(item_id)
        return self if item is None or item.state is not ItemState.WAITING else self._paused((item_id,))

    def _paused(self, item_ids: Collection[str]) -> GenerationQueue:
        return self._changed(item_ids, state=ItemState.PAUSED, bypasses_hold=False)

    def with_continued_item(self, item_id: str) -> GenerationQueue:
        """With this paused or failed item waiting again."""
        item = self.find(item_id)
        if item is None or item.state not in (ItemState.PAUSED, ItemState.FAILED):
            return self
        return self._changed((item_id,), state=ItemState.WAITING, error="")

    def held(self, hold: Hold = Hold.USER) -> GenerationQueue:
        """On hold: nothing starts by itself."""
        return replace(self, hold=hold, items=tuple(replace(item, bypasses_hold=False) for item in self.items))

    def released(self) -> GenerationQueue:
        """Not on hold."""
        return replace(self, hold=Hold.NONE)

    # what the session does

    def started(self, item_id: str) -> GenerationQueue:
        """With this item running and first; those asked for before it and of its priority have been overtaken."""
        item = self.find(item_id)
        if item is None:
            return self
        at = self.items.index(item)
        before = tuple(
            replace(other, overtaken=other.overtaken + 1)
            if other.state is ItemState.WAITING and other.priority == item.priority
            else other
            for other in self.items[:at]
        )
        running = replace(item, state=ItemState.RUNNING, overtaken=0)
        return replace(self, items=(running, *before, *self.items[at + 1 :]))

    def with_progress(self, item_id: str, finished: int) -> GenerationQueue:
        """With `finished` pictures of this item drawn."""
        return self._changed((item_id,), finished=finished, paused=None)

    def stopped(self, item_id: str, paused: PausedRun | None, *, skip: bool) -> GenerationQueue:
        """With the running item waiting where it was paused, None: where it was before; `skip`: until it is continued.
        It stays the first."""
        state = ItemState.PAUSED if skip else ItemState.WAITING
        kept: dict[str, Any] = {} if paused is None else {"paused": paused, "finished": paused.picture}
        return self._changed((item_id,), state=state, placed=True, bypasses_hold=False, **kept)

    def failed(self, item_id: str, error: str) -> GenerationQueue:
        return self._changed((item_id,), state=ItemState.FAILED, bypasses_hold=False, error=error[:MAX_ERROR])

    def without(self, item_id: str) -> GenerationQueue:
        """Without this item, which is finished or cancelled; a hold since the start ends with the last item."""
        items = tuple(item for item in self.items if item.id != item_id)
        empty = not any(item.state is ItemState.WAITING for item in items)
        return replace(self, items=items, hold=Hold.NONE if empty and self.hold is Hold.START else self.hold)

    def merged(self, items: Sequence[QueueItem]) -> GenerationQueue:
        """With the `items` of earlier windows, on hold since the start; those that are here already are not doubled."""
        known = {item.id for item in self.items}
        new = tuple(item for item in items if item.id not in known)
        if not new:
            return self
        hold = Hold.START if self.hold is Hold.NONE else self.hold
        items_now = tuple(replace(item, bypasses_hold=item.state is ItemState.WAITING) for item in self.items)
        return replace(self, items=(*items_now, *new), hold=hold)

    def _changed(self, item_ids: Collection[str], **changes: Any) -> GenerationQueue:
        return replace(
            self,
            items=tuple(replace(item, **changes) if item.id in item_ids else item for item in self.items),
        )


def _between(priority: Priority, above: Sequence[QueueItem], below: Sequence[QueueItem]) -> Priority:
    """Return the priority nearest to `priority` with which an item is drawn between those `above` and `below` it."""
    highest = next((one.priority for one in reversed(above) if one.state is ItemState.WAITING), Priority.HIGH)
    lowest = next((one.priority for one in below if one.state is ItemState.WAITING), Priority.LOW)
    return Priority(min(max(priority, lowest), highest))
