"""The interface for showing a passing message without knowing where it appears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Notify(Protocol):
    """Shows `text`, with `action` as a button that calls `callback`, and `tooltip` on hover. If `persistent`, it
    remains until answered; otherwise it disappears after a few seconds."""

    def __call__(
        self,
        text: str,
        *,
        action: str = "",
        callback: Callable[[], object] | None = None,
        tooltip: str = "",
        persistent: bool = False,
    ) -> None: ...
