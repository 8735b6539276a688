"""The run in progress, as the session and the window see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from sdxl_desktop.core.events import Phase, Pixels, Progress
from sdxl_desktop.core.request import GenerationRequest

_BEFORE_STEPS = frozenset({Phase.STARTING, Phase.LOADING, Phase.COMPILING, Phase.ENCODING})


class PauseKind(Enum):
    """What pausing a run means for the queue: it is put on hold, or it goes on without the paused item."""

    HOLD = auto()
    SKIP = auto()


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """The current run: its request, its item in the queue, progress, last preview, and whether it is being cancelled or
    paused. `finished_pictures` counts those of earlier runs of a paused item, too."""

    request: GenerationRequest
    item_id: str
    progress: Progress
    preview: Pixels | None = None
    cancelling: bool = False
    pausing: PauseKind | None = None
    finished_pictures: int = 0

    @property
    def has_steps(self) -> bool:
        """Whether the run is past the phases in which nothing is drawn yet."""
        return self.progress.phase not in _BEFORE_STEPS
