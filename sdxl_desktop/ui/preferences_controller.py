"""The preferences in use, what follows from them, and the settings file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from sdxl_desktop.core.app_log import allow_prompts
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.paths import AppPaths, chosen_folder
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.result_files import PictureStore
from sdxl_desktop.session.settings_store import SettingsStore

_SAVE_DELAY_MS = 1500


class PreferencesController(QObject):
    """Holds the preferences and writes the settings file. `workspace` returns the values to save with them.

    `changed` carries the preferences (Preferences) before a change. `saved` follows each save, `failed` carries the
    error (SettingsError) of one.
    """

    changed = Signal(object)
    saved = Signal()
    failed = Signal(object)

    def __init__(
        self,
        store: SettingsStore,
        paths: AppPaths,
        shipped_checkpoints: Path,
        preferences: Preferences,
        workspace: Callable[[], WorkspaceValue],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._store, self._paths, self._shipped_checkpoints = store, paths, shipped_checkpoints
        self._value, self._workspace = preferences, workspace
        self._timer = QTimer(self, singleShot=True, interval=_SAVE_DELAY_MS)
        self._timer.timeout.connect(self.save)
        allow_prompts(preferences.log_prompts)

    def value(self) -> Preferences:
        """Return the preferences in use."""
        return self._value

    def set_value(self, preferences: Preferences) -> None:
        """Apply the preferences and save them."""
        before, self._value = self._value, preferences
        allow_prompts(preferences.log_prompts)
        self.changed.emit(before)
        self.save()

    def execution(self) -> Execution:
        """Return where and how the next run happens."""
        return self._value.execution

    def library(self) -> Library:
        """Return the checkpoints that ship and those of the chosen folder."""
        return Library(
            self._shipped_checkpoints, chosen_folder(self._value.checkpoints_folder, self._paths.checkpoints)
        )

    def picture_store(self) -> PictureStore:
        """Return how pictures are saved, and where if the chosen folder cannot be written."""
        chosen, own = self._value, self._paths.pictures
        folder = chosen_folder(chosen.pictures_folder, own)
        return PictureStore(folder, chosen.picture_format, chosen.autosave, () if folder == own else (own,))

    # the settings file

    def settings(self) -> Settings:
        """Return everything that is restored at the next start."""
        return Settings(preferences=self._value, workspace=self._workspace())

    def save_later(self) -> None:
        """Save the settings when nothing has changed for a moment."""
        self._timer.start()

    def save(self) -> None:
        """Save the settings now."""
        self._timer.stop()
        try:
            self._store.save(self.settings())
        except SettingsError as problem:
            self.failed.emit(problem)
        else:
            self.saved.emit()
