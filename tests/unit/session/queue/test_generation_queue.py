"""The operations of the queue."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import GenerationRequest, Sampling
from sdxl_desktop.session.queue.generation_queue import GenerationQueue, Hold
from sdxl_desktop.session.queue.queue_item import ItemState, Priority, QueueItem


def item(seed: int, checkpoint: str = "x", count: int = 1) -> QueueItem:
    return QueueItem(request=GenerationRequest(checkpoint=Path(checkpoint), sampling=Sampling(seed=seed, count=count)))


def queue_of(*items: QueueItem) -> GenerationQueue:
    queue = GenerationQueue()
    for one in items:
        queue = queue.added(one)
    return queue


def seeds(queue: GenerationQueue) -> list[int]:
    return [one.request.sampling.seed for one in queue.listed()]


def test_the_next_one_goes_before_all_that_wait_whatever_their_priority() -> None:
    a, b, c = item(1), item(2), item(3)
    queue = queue_of(a, b, c).with_priority([b.id], Priority.HIGH).started(b.id)
    queue = queue.with_priority([a.id], Priority.HIGH).added_next(item(4))
    assert seeds(queue) == [2, 4, 1, 3]
    assert seeds(queue.run_next(c.id)) == [2, 3, 4, 1]


def test_items_are_moved_to_a_place_and_keep_it() -> None:
    items = [item(seed, "ab"[seed % 2]) for seed in range(6)]
    queue = queue_of(*items)
    shown = seeds(queue)
    assert shown == [0, 2, 4, 1, 3, 5]
    moved = queue.moved([items[5].id], 1)
    assert seeds(moved) == [0, 5, 1, 3, 2, 4], "what follows it fits it"
    assert seeds(moved.moved([items[0].id, items[1].id], 6)) == [5, 3, 2, 4, 0, 1]
    assert seeds(moved.added(item(6, "a"))) == [0, 5, 1, 3, 2, 4, 6]


def test_an_item_moved_among_others_of_a_priority_takes_it() -> None:
    items = [item(seed) for seed in range(4)]
    queue = queue_of(*items).with_priority([items[0].id, items[1].id], Priority.HIGH)
    moved = queue.moved([items[3].id], 1)
    assert seeds(moved) == [0, 3, 1, 2]
    assert seeds(moved.moved([items[0].id], 4)) == [3, 1, 2, 0]


def test_nothing_is_moved_before_the_one_that_runs() -> None:
    items = [item(seed) for seed in range(3)]
    queue = queue_of(*items).started(items[0].id)
    assert seeds(queue.moved([items[2].id], 0)) == [0, 2, 1]
    assert seeds(queue.moved([items[0].id], 3)) == [0, 1, 2]


def test_clearing_leaves_what_runs_and_is_undone_in_place() -> None:
    items = [item(seed) for seed in range(4)]
    queue = queue_of(*items).started(items[0].id)
    cleared = queue.cleared()
    assert seeds(cleared) == [0]
    again = cleared.added(item(9)).with_removed_again()
    assert seeds(again) == [0, 1, 2, 3, 9]
    one = again.removed_items([items[2].id])
    assert seeds(one) == [0, 1, 3, 9]
    assert seeds(one.with_removed_again()) == [0, 1, 2, 3, 9]
    assert one.with_removed_again().with_removed_again().items == one.with_removed_again().items


def test_a_copy_starts_from_the_beginning_behind_its_original() -> None:
    a, b = item(1, count=4), item(2)
    queue = queue_of(a, b).with_progress(a.id, 2).duplicated(a.id)
    assert seeds(queue) == [1, 1, 2]
    first, copy, _ = queue.items
    assert first.id != copy.id
    assert (first.remaining, copy.remaining) == (2, 4)
    assert copy.request is a.request


def test_an_edited_item_keeps_its_place_and_forgets_what_was_drawn() -> None:
    a, b = item(1), item(2)
    queue = queue_of(a, b).started(a.id).stopped(a.id, PausedRun(step=3, steps=9), skip=True)
    assert queue.items[0].paused == PausedRun(step=3, steps=9)
    edited = queue.with_request(a.id, item(7).request)
    assert seeds(edited) == [7, 2]
    assert edited.items[0].paused is None
    assert edited.items[0].state is ItemState.WAITING


def test_on_hold_nothing_starts_but_what_is_asked_for_now() -> None:
    a = item(1)
    queue = queue_of(a).held()
    assert queue.next_item() is None
    now = QueueItem(request=item(2).request, bypasses_hold=True)
    assert queue.added(now).next_item() is now
    assert queue.added(now).held().next_item() is None, "the next pause holds that, too"
    released = queue.released().next_item()
    assert released is not None
    assert released.id == a.id


def test_what_was_left_waits_until_it_is_wanted_and_is_never_doubled() -> None:
    a, b = item(1), item(2)
    queue = GenerationQueue().merged((a, b)).merged((a, b))
    assert seeds(queue) == [1, 2]
    assert queue.hold is Hold.START
    assert queue.next_item() is None
    assert queue.without(a.id).hold is Hold.START
    assert queue.without(a.id).without(b.id).hold is Hold.NONE
    assert queue.cleared().added(item(3)).next_item() is not None, "nothing is left that could be unwanted"
    assert queue.cleared().with_removed_again().next_item() is None
    assert queue.held().without(a.id).without(b.id).hold is Hold.USER, "what the user wished stays"


def test_paused_and_failed_items_are_skipped_until_they_are_continued() -> None:
    a, b, c = item(1), item(2), item(3)
    queue = queue_of(a, b, c).with_paused_item(a.id).failed(b.id, "It broke.")
    assert queue.next_item() is c
    assert queue.remaining_pictures == 2
    assert [one.state for one in queue.listed()] == [ItemState.WAITING, ItemState.PAUSED, ItemState.FAILED]
    again = queue.with_continued_item(a.id).with_continued_item(b.id)
    assert seeds(again) == [1, 2, 3]
    assert not again.items[1].error


OPERATIONS: tuple[Callable[[GenerationQueue, str, random.Random], GenerationQueue], ...] = (
    lambda queue, _, source: queue.added(item(source.randrange(1000), source.choice("ab"))),
    lambda queue, _, source: queue.added_next(item(source.randrange(1000), source.choice("ab"))),
    lambda queue, one, source: queue.moved([one], source.randrange(len(queue.items) + 1)),
    lambda queue, one, _: queue.run_next(one),
    lambda queue, one, _: queue.removed_items([one]),
    lambda queue, _, __: queue.with_removed_again(),
    lambda queue, one, _: queue.duplicated(one),
    lambda queue, one, source: queue.with_priority([one], source.choice(tuple(Priority))),
    lambda queue, one, _: queue.with_paused_item(one),
    lambda queue, one, _: queue.with_continued_item(one),
    lambda queue, one, _: queue.failed(one, "no") if queue.running is None else queue,
    lambda queue, one, _: queue.started(one) if queue.running is None else queue,
    lambda queue, _, __: queue if queue.running is None else queue.stopped(queue.running.id, None, skip=False),
    lambda queue, _, __: queue.held(),
    lambda queue, _, __: queue.released(),
)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_done_no_item_is_lost_or_doubled(seed: int) -> None:
    source = random.Random(seed)
    queue = queue_of(item(0), item(1, "a"), item(2, "b"))
    for _ in range(60):
        known = {one.id for one in queue.items}
        chosen = source.choice(sorted(known)) if known else "none"
        after = source.choice(OPERATIONS)(queue, chosen, source)
        ids = [one.id for one in after.items]
        assert len(ids) == len(set(ids))
        assert sorted(ids) == sorted(one.id for one in after.listed())
        assert known - set(ids) <= {chosen}
        assert known - set(ids) <= {one.id for _, one in after.removed}
        running = [number for number, one in enumerate(after.items) if one.state is ItemState.RUNNING]
        assert running in ([], [0])
        queue = after
