"""How long the application waits for an engine process that was asked to stop, before it is killed."""

from __future__ import annotations

from sdxl_desktop.core.events import Event, Phase, Progress

CANCEL_GRACE_SECONDS = 0.6
"""For a phase that cannot poll for a cancel."""
UNHEARD_SECONDS = 3.0
"""Without a sign that it was heard: a thread of the engine process hears it, whatever that computes."""
HEARD_SECONDS = 10.0
"""After that sign. An inference ends between two layers, or, on devices that cannot do that, with the step."""
_STEPS = 2
_LONGEST_SECONDS = 90.0

_CANNOT_POLL = frozenset({Phase.STARTING, Phase.LOADING, Phase.COMPILING})


class Patience:
    """Follows one run, from its events, and says when waiting for its end is over."""

    def __init__(self) -> None:
        self._phase = Phase.STARTING
        self._step_seconds = 0.0
        self._heard = False

    def follow(self, event: Event) -> None:
        """Take note of where the run is, and of how long its steps take."""
        if isinstance(event, Progress):
            self._phase = event.phase
            self._step_seconds = event.seconds_per_step or self._step_seconds

    def heard(self) -> None:
        """The engine process said that it heard the wish."""
        self._heard = True

    def is_over(self, seconds: float) -> bool:
        """Whether `seconds` after it was asked to stop it has had its time."""
        if self._phase in _CANNOT_POLL:
            return seconds > CANCEL_GRACE_SECONDS
        if not self._heard:
            return seconds > UNHEARD_SECONDS
        return seconds > min(max(HEARD_SECONDS, _STEPS * self._step_seconds), _LONGEST_SECONDS)
