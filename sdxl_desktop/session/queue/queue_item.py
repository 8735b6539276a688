"""An item of the queue: a request, how far it is drawn, and where it stands."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import GenerationRequest


class ItemState(StrEnum):
    """`PAUSED`: skipped until the user continues it. `FAILED`: skipped until the user tries again."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"


class Priority(IntEnum):
    """Items of a higher priority are drawn first."""

    LOW = -1
    NORMAL = 0
    HIGH = 1

    @property
    def label(self) -> str:
        return self.name.capitalize()


def new_id() -> str:
    """Return a new identifier of an item; later ones are greater."""
    return f"{time.time_ns():016x}{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QueueItem:
    """A request in the queue.

    `finished` of its pictures are drawn; `paused` is where the next one continues, None if it has not begun. `placed`:
    the user gave it its place, which arranging respects. `overtaken` counts the later items that were started before it
    by arranging. `bypasses_hold`: the user asked for it now, although the queue is on hold. A `transient` item is not
    stored. `error` says why it failed.
    """

    request: GenerationRequest
    id: str = field(default_factory=new_id)
    state: ItemState = ItemState.WAITING
    priority: Priority = Priority.NORMAL
    placed: bool = False
    finished: int = 0
    paused: PausedRun | None = None
    overtaken: int = 0
    bypasses_hold: bool = False
    transient: bool = False
    error: str = ""

    @property
    def remaining(self) -> int:
        """The number of pictures still to be drawn."""
        return max(0, self.request.sampling.count - self.finished)

    @property
    def start(self) -> PausedRun | None:
        """Where its run continues; None if it starts from the beginning."""
        if self.paused is not None and self.paused.picture == self.finished:
            return self.paused
        return PausedRun(picture=self.finished) if self.finished else None
