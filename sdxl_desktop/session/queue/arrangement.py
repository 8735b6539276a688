"""The order in which waiting items are drawn, so that checkpoints and compiled shapes change as rarely as possible.

A pure function of the items in the order the user asked for them. Higher priorities come first. Items that the user
placed keep their place: nothing moves across them. Between them, items that need the same networks are drawn together,
and among these those of the same size; the groups follow the order of their first items, after the group that needs
what is loaded already. No item is overtaken by more than `MAX_OVERTAKEN` later ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.session.queue.queue_item import QueueItem

MAX_OVERTAKEN = 12
"""How many later items may be drawn before an item because they fit better; then it is its turn."""


@dataclass(frozen=True, slots=True)
class RunSetup:
    """What the engine has to load and compile for a request: `networks`, and their shapes for its `size`."""

    networks: tuple[object, ...]
    size: object

    @classmethod
    def of(cls, request: GenerationRequest) -> RunSetup:
        refiner = None if request.refine is None else request.refine.checkpoint
        execution, speed = request.execution, request.sampling.speed
        return cls((request.checkpoint, request.additions, refiner, execution, speed), request.sampling.size)


def arrange(items: Sequence[QueueItem], loaded: RunSetup | None = None) -> tuple[QueueItem, ...]:
    """Return the waiting `items` in the order in which they are drawn; `loaded` is what the engine has loaded."""
    by_priority = sorted(items, key=lambda item: -item.priority)
    arranged: list[QueueItem] = []
    for _, group in groupby(by_priority, key=lambda item: item.priority):
        for segment in _segments(list(group)):
            arranged += _arranged_segment(segment, loaded)
            loaded = RunSetup.of(arranged[-1].request)
    return tuple(arranged)


def by_priority(items: Sequence[QueueItem]) -> tuple[QueueItem, ...]:
    """Return the waiting `items` in the order in which they are drawn without arranging."""
    return tuple(sorted(items, key=lambda item: -item.priority))


def setup_changes(items: Sequence[QueueItem], loaded: RunSetup | None = None) -> tuple[int, int]:
    """Return (how often the networks change, how often the size or the networks change) if `items` are drawn in this
    order."""
    setups = [*([loaded] if loaded is not None else []), *(RunSetup.of(item.request) for item in items)]
    pairs = list(pairwise(setups))
    return sum(a.networks != b.networks for a, b in pairs), sum(a != b for a, b in pairs)


def _segments(items: Sequence[QueueItem]) -> Iterator[list[QueueItem]]:
    """Yield each placed item alone, and the items between two of them together."""
    for placed, run in groupby(items, key=lambda item: item.placed):
        if placed:
            yield from ([item] for item in run)
        else:
            yield list(run)


def _arranged_segment(items: list[QueueItem], loaded: RunSetup | None) -> list[QueueItem]:
    """Return `items` with those of one setup together; unchanged if that would save nothing."""
    arranged = _grouped(items, loaded)
    return arranged if setup_changes(arranged, loaded) < setup_changes(items, loaded) else items


def _grouped(items: list[QueueItem], loaded: RunSetup | None) -> list[QueueItem]:
    waiting = list(items)
    setups = {item.id: RunSetup.of(item.request) for item in items}
    numbers = {setup: number for number, setup in enumerate(dict.fromkeys(setups.values()))}  # compared n² times
    overtaken = {item.id: item.overtaken for item in items}
    arranged: list[QueueItem] = []
    while waiting:
        chosen = waiting[0]
        if overtaken[chosen.id] < MAX_OVERTAKEN and loaded is not None:
            chosen = _best_fit(waiting, setups, numbers, loaded)
        for item in waiting[: waiting.index(chosen)]:
            overtaken[item.id] += 1
        waiting.remove(chosen)
        arranged.append(chosen)
        loaded = setups[chosen.id]
    return arranged


def _best_fit(
    waiting: Sequence[QueueItem], setups: Mapping[str, RunSetup], numbers: Mapping[RunSetup, int], loaded: RunSetup
) -> QueueItem:
    """Return the first item that needs what is loaded, else the first that needs the same networks, else the first."""
    exact = numbers.get(loaded)
    same = {number for setup, number in numbers.items() if setup.networks == loaded.networks}
    for wanted in ({exact}, same):
        for item in waiting:
            if numbers[setups[item.id]] in wanted:
                return item
    return waiting[0]
