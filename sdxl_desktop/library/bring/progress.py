"""How far a whole bringing is: downloads and conversion as one fraction, weighed by the time each should take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_KNOWN_AFTER_SECONDS = 3.0
_KNOWN_AFTER_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class BringProgress:
    """`stage` in words for people ("downloading"), `what` (a part or a file) is at work, `done` of `total` bytes or
    weights of it (0 of 0 where unknown). `fraction` of the whole job is behind; it never falls except where a file was
    wrong and is fetched again. `seconds_left` is None while it is not known."""

    stage: str
    what: str = ""
    done: int = 0
    total: int = 0
    fraction: float = 0.0
    seconds_left: float | None = None


Tell = Callable[[BringProgress], None]


class Journey:
    """Tells of legs (downloads, then the conversion) that are done one after the other, as one job."""

    def __init__(self, tell: Tell, seconds: Sequence[float], now: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is how long each leg is expected to take; `now` is a clock in seconds."""
        self._tell, self._now = tell, now
        self._seconds = [max(0.1, expected) for expected in seconds]
        self._whole = sum(self._seconds)
        self._leg, self._began, self._began_at = 0, now(), 0.0
        self._told = 0.0

    def next_leg(self, leg: int) -> None:
        """Leg number `leg` (from 0) begins; those before it are behind."""
        self._leg, self._began, self._began_at = leg, self._now(), -1.0

    def on(
        self,
        stage: str,
        what: str,
        done: int,
        total: int,
        within: float,
        *,
        seconds_left: float | None = None,
        expected: bool = False,
        fell: bool = False,
    ) -> None:
        """The present leg is at `within` in [0, 1]. `seconds_left` of this leg where something knows better than its
        pace; `expected` says that the expectation holds until there is a pace; `fell` that something is done again."""
        if self._began_at < 0:
            self._began_at = within  # what an earlier attempt had done says nothing of the pace
        before = sum(self._seconds[: self._leg])
        fraction = (before + self._seconds[self._leg] * min(1.0, max(0.0, within))) / self._whole
        self._told = fraction if fell else max(self._told, fraction)
        left = self._left(within) if seconds_left is None else seconds_left
        if left is None and expected:
            left = self._seconds[self._leg] * (1 - within)
        if left is not None:
            left += sum(self._seconds[self._leg + 1 :])
        self._tell(
            BringProgress(
                stage=stage,
                what=what,
                done=done,
                total=total,
                fraction=round(min(1.0, self._told), 5),
                seconds_left=left,
            )
        )

    def _left(self, within: float) -> float | None:
        """Of the present leg by its pace so far."""
        gone, share = self._now() - self._began, within - self._began_at
        if gone < _KNOWN_AFTER_SECONDS or share < _KNOWN_AFTER_SHARE:
            return None
        return gone / share * (1 - within)
