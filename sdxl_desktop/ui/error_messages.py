"""Which error the banner shows: the session's, or one that is not a run's."""

from __future__ import annotations

import logging
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.run_log import format_error
from sdxl_desktop.session.drafts import DraftingSession

_log = logging.getLogger(__name__)


class ErrorMessages(QObject):
    """Holds one error that is not a run's, beside the session's own. Emits `changed` when another one is shown."""

    changed = Signal()

    def __init__(self, session: DraftingSession, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._error: SdxlDesktopError | None = None
        self._behind: SdxlDesktopError | None = None
        """The session's error at the time this error was shown."""
        self._is_resolved: Callable[[], bool] | None = None

    @property
    def shown(self) -> SdxlDesktopError | None:
        """The more recent of the session's error and the other error: neither hides the other for good."""
        error = self._session.error
        return self._error if self._error is not None and error in (None, self._behind) else error

    def show_error(self, error: SdxlDesktopError, *, is_resolved: Callable[[], bool] | None = None) -> None:
        """Show an error that is not a run's, until `is_resolved` returns True, if given."""
        _log.warning("Error shown: %s", format_error(error))
        self._error, self._is_resolved, self._behind = error, is_resolved, self._session.error
        self.changed.emit()

    def recheck(self) -> None:
        """After a change, dismiss the error if its cause is gone."""
        if self._error is not None and self._is_resolved is not None and self._is_resolved():
            self._clear()

    def clear_kind(self, kind: type[SdxlDesktopError]) -> None:
        """Dismiss an error of this kind after the operation has succeeded."""
        if isinstance(self._error, kind):
            self._clear()

    def forget(self) -> None:
        """Forget the error that is not a run's, without a signal: a run starts."""
        self._error = None

    def dismiss(self) -> None:
        """Dismiss the shown error; one it had hidden is shown next."""
        if self._error is not None and self._session.error is not None and self.shown is self._error:
            self._clear()
            return
        if self.shown is self._error:
            self._error = None
        self._session.dismiss_message()

    def _clear(self) -> None:
        self._error = self._is_resolved = None
        self.changed.emit()
