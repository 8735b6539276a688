"""How a part of the window says something in passing, without knowing where it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Notify(Protocol):
    """Says `text`, with `answer` as a button that calls `act`, and `tip` for whoever points at it. It `stays` until it
    is answered, or goes by itself after a few seconds."""

    def __call__(
        self,
        text: str,
        *,
        action: str = "",
        callback: Callable[[], object] | None = None,
        tooltip: str = "",
        persistent: bool = False,
    ) -> None: ...
