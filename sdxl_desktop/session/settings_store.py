"""The settings file: read once, written whole, and set aside with a word when it is corrupt."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.settings import Settings
from sdxl_desktop.session.kept_file import write_kept


@dataclass(frozen=True, slots=True)
class SettingsStore:
    """Settings as JSON in one file."""

    file: Path

    def load(self) -> tuple[Settings, SettingsError | None]:
        """The settings and, when the file could not be used, the error to show. Never raises."""
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=Settings, dec_hook=_decode), None
        except FileNotFoundError:
            return Settings(), None
        except (OSError, msgspec.MsgspecError, SettingsError, ValueError) as problem:
            return Settings(), self._set_aside(problem)

    def _set_aside(self, problem: Exception) -> SettingsError:
        aside = self.file.with_name(f"{self.file.stem}-unreadable-{time.strftime('%Y%m%d-%H%M%S')}.json")
        try:
            os.replace(self.file, aside)
            kept = f"The old file is kept as {aside}."
        except OSError:
            kept = f"The old file is still at {self.file}."
        return SettingsError(
            "Your settings could not be read, so the defaults are in use.", why=f"{problem}.", next_step=kept
        )

    def save(self, settings: Settings) -> None:
        """Write the settings; raises SettingsError when the folder cannot be written."""
        write_kept(self.file, settings, "Your settings could not be saved.", enc_hook=_encode)


def _encode(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value)} has no place in the settings")


def _decode(kind: type, value: object) -> object:
    if issubclass(kind, Path) and isinstance(value, str):
        return Path(value)
    raise TypeError(f"{kind} has no place in the settings")
