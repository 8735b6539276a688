"""The history of the command line, which has one thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sdxl_desktop.core.errors import SdxlDesktopError, wrap_error

if TYPE_CHECKING:
    from sdxl_desktop.history.store import History


class ForegroundHistory:
    """The history as a context manager, opened at the first write: only then are the database's libraries loaded."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._history: History | None = None
        self._error: SdxlDesktopError | None = None

    def write(self, task: Callable[[History], object], failed: Callable[[SdxlDesktopError], object]) -> None:
        """Run `task` now; any error goes to `failed`, since a picture does not depend on the history."""
        try:
            task(self._open())
        except Exception as problem:  # the outermost place: the picture is saved, whatever happens here
            failed(wrap_error(problem, "The picture could not be added to the history."))

    def _open(self) -> History:
        if self._error is not None:
            raise self._error
        if self._history is None:
            from sdxl_desktop.history.store import History

            try:
                self._history = History.open(self._database)
            except SdxlDesktopError as problem:
                self._error = problem
                raise
        return self._history

    def __enter__(self) -> ForegroundHistory:
        return self

    def __exit__(self, *_: object) -> None:
        if self._history is not None:
            self._history.close()
