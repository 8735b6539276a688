"""Waiting items are arranged so that checkpoints and sizes change rarely, and nobody waits for ever."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import GenerationRequest, Sampling
from sdxl_desktop.session.queue.arrangement import MAX_OVERTAKEN, RunSetup, arrange, by_priority, setup_changes
from sdxl_desktop.session.queue.generation_queue import GenerationQueue
from sdxl_desktop.session.queue.queue_item import ItemState, Priority, QueueItem


def item(checkpoint: str, side: int = 512, **fields: object) -> QueueItem:
    request = GenerationRequest(checkpoint=Path(checkpoint), sampling=Sampling(size=Size(side, side)))
    return replace(QueueItem(request=request), **fields)  # type: ignore[arg-type]


def names(items: tuple[QueueItem, ...]) -> list[str]:
    return [f"{one.request.checkpoint}{one.request.sampling.size.width}" for one in items]


def random_items(source: random.Random) -> list[QueueItem]:
    return [
        item(
            source.choice("abc"),
            source.choice((512, 768)),
            priority=source.choice((Priority.NORMAL, Priority.NORMAL, Priority.HIGH, Priority.LOW)),
            placed=source.random() < 0.15,
            overtaken=source.randrange(MAX_OVERTAKEN + 2),
        )
        for _ in range(source.randrange(1, 14))
    ]


def test_checkpoints_and_sizes_are_drawn_together() -> None:
    asked = [item("a", 512), item("b", 512), item("a", 768), item("b", 768), item("a", 512), item("b", 512)]
    assert setup_changes(asked) == (5, 5)
    assert names(arrange(asked)) == ["a512", "a512", "a768", "b512", "b512", "b768"]
    assert setup_changes(arrange(asked)) == (1, 3)


def test_what_is_loaded_already_comes_first() -> None:
    asked = [item("a"), item("b", 768), item("b"), item("a")]
    assert names(arrange(asked, RunSetup.of(item("b").request))) == ["b512", "b768", "a512", "a512"]


def test_additions_and_refiner_count_as_other_networks() -> None:
    plain, other = item("a"), item("a")
    other = replace(other, request=replace(other.request, execution=replace(other.request.execution, device="GPU")))
    assert setup_changes([plain, other]) == (1, 1)


def test_priority_comes_before_everything() -> None:
    asked = [item("a"), item("b", priority=Priority.LOW), item("a"), item("b", priority=Priority.HIGH)]
    assert names(arrange(asked)) == ["b512", "a512", "a512", "b512"]
    assert names(by_priority(asked)) == ["b512", "a512", "a512", "b512"]


def test_nothing_moves_across_what_the_user_placed() -> None:
    asked = [item("a"), item("b"), item("c", placed=True), item("a"), item("b"), item("a")]
    assert names(arrange(asked)) == ["a512", "b512", "c512", "a512", "a512", "b512"]


@pytest.mark.parametrize("seed", range(200))
def test_whatever_is_asked_for(seed: int) -> None:
    """The same items; priorities, placed items and the order of equal ones kept; never more changes; stable."""
    source = random.Random(seed)
    asked = random_items(source)
    loaded = source.choice((None, RunSetup.of(item("b").request)))
    arranged = arrange(asked, loaded)
    plain = by_priority(asked)
    assert sorted(one.id for one in arranged) == sorted(one.id for one in asked)
    assert [one.priority for one in arranged] == [one.priority for one in plain]
    assert [n for n, one in enumerate(arranged) if one.placed] == [n for n, one in enumerate(plain) if one.placed]
    if len({one.priority for one in asked}) == 1 and not any(one.placed for one in asked):
        assert setup_changes(arranged, loaded) <= setup_changes(plain, loaded)
    places = {one.id: place for place, one in enumerate(plain)}
    for setup in {RunSetup.of(one.request) for one in asked}:
        alike = [places[one.id] for one in arranged if RunSetup.of(one.request) == setup]
        by_group = sorted(alike, key=lambda place: -plain[place].priority)
        assert alike == by_group
    assert arrange(asked, loaded) == arranged, "a pure function"


@pytest.mark.parametrize("seed", range(5))
def test_nothing_starves_while_others_keep_coming(seed: int) -> None:
    """Requests for one checkpoint come for ever; the one for another is drawn after a bounded number of them."""
    source = random.Random(seed)
    queue = GenerationQueue().added(item("a"))
    rare = item("b")
    queue = queue.added(rare)
    loaded = RunSetup.of(item("a").request)
    for drawn in range(100):
        for _ in range(source.randrange(1, 3)):
            queue = queue.added(item("a"))
        chosen = queue.next_item(loaded)
        assert chosen is not None
        if chosen.id == rare.id:
            assert 1 < drawn <= MAX_OVERTAKEN + 1
            return
        queue = queue.started(chosen.id)
        assert queue.running is not None
        assert queue.running.state is ItemState.RUNNING
        queue, loaded = queue.without(chosen.id), RunSetup.of(chosen.request)
    pytest.fail("it was never drawn")
