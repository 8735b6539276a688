"""The application's folders: platformdirs' folders, or one folder named by SDXL_DESKTOP_HOME."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import platformdirs

APP_NAME = "sdxl-desktop"
HOME_VARIABLE = "SDXL_DESKTOP_HOME"

LOG_FILE = "application.log"
"""In the log folder, next to the engine's log."""
ENGINE_LOG_FILE = "engine.log"

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}|%(\w+)%")


def expand_path(text: str | Path) -> Path:
    """Return the path that a user means by `text`, with "~" and variables expanded, in shell syntax ($PICTURES,
    ${PICTURES}) or Windows syntax (%PICTURES%), on every system. Undefined variables stay as they are. Quotes and
    blanks around a pasted path are ignored."""
    plain = str(text).strip()
    if len(plain) > 1 and plain[0] == plain[-1] and plain[0] in "\"'":
        plain = plain[1:-1]
    known = _VARIABLE.sub(lambda name: os.environ.get(name[1] or name[2] or name[3], name[0]), plain)
    path = Path(known)
    try:
        return path.expanduser()
    except RuntimeError:  # "~nobody"
        return path


def unknown_variable(text: str) -> str:
    """Return the first undefined variable in `text`, as written; "" if all are defined."""
    names = _VARIABLE.finditer(text)
    return next((name[0] for name in names if (name[1] or name[2] or name[3]) not in os.environ), "")


def chosen_folder(text: str, default: Path) -> Path:
    """Return the folder chosen in the settings; a relative one is relative to the home folder, not the working folder.
    `default` if empty."""
    return Path.home() / expand_path(text) if text.strip() else default


@dataclass(frozen=True, slots=True)
class AppPaths:
    """The application's own folders. They are created only when something is written."""

    data: Path
    cache: Path
    settings_file: Path
    pictures: Path
    logs: Path

    @classmethod
    def from_environment(cls) -> AppPaths:
        """Return the folders for this process; SDXL_DESKTOP_HOME moves all of them under one folder."""
        home = os.environ.get(HOME_VARIABLE, "").strip()
        if home:
            root = expand_path(home).resolve()
            return cls(
                data=root / "data",
                cache=root / "cache",
                settings_file=root / "settings.json",
                pictures=root / "pictures",
                logs=root / "logs",
            )
        dirs = platformdirs.PlatformDirs(APP_NAME, appauthor=False)
        return cls(
            data=dirs.user_data_path,
            cache=dirs.user_cache_path,
            settings_file=dirs.user_config_path / "settings.json",
            pictures=dirs.user_pictures_path / "SDXL Desktop",
            logs=dirs.user_log_path,
        )

    @property
    def checkpoints(self) -> Path:
        """The user's own checkpoints, unless the settings name another folder."""
        return self.data / "checkpoints"

    @property
    def history(self) -> Path:
        """The database that indexes the finished pictures."""
        return self.data / "history" / "history.sqlite3"

    @property
    def thumbnails(self) -> Path:
        """The thumbnails of the gallery."""
        return self.cache / "thumbnails"

    @property
    def loras(self) -> Path:
        """The application's own folder for LoRAs."""
        return self.data / "loras"

    @property
    def embeddings(self) -> Path:
        """The application's own folder for embeddings."""
        return self.data / "embeddings"

    @property
    def wildcards(self) -> Path:
        """The user's own wildcard files."""
        return self.data / "wildcards"

    @property
    def presets(self) -> Path:
        """The file of the user's presets of settings."""
        return self.data / "presets.json"

    @property
    def log(self) -> Path:
        """The application's log file."""
        return self.logs / LOG_FILE

    @property
    def engine_log(self) -> Path:
        """The output and log of the engine process."""
        return self.logs / ENGINE_LOG_FILE

    @property
    def compiled(self) -> Path:
        """OpenVINO's compiled blobs."""
        return self.cache / "compiled"


def home_folders() -> tuple[str, ...]:
    """Return the spellings of the home folder in messages, longest first; empty if it is only the root."""
    try:
        home = str(Path.home())
    except RuntimeError:
        return ()
    spelled = {home, os.path.realpath(home)}
    spelled |= {each.replace("\\", "\\\\") for each in spelled} | {quote(each) for each in spelled}
    return tuple(sorted((each for each in spelled if len(Path(each).parts) > 1), key=len, reverse=True))


def with_tilde(path: Path) -> str:
    """Return `path` as text, with "~" for the home folder."""
    text = str(path)
    for home in home_folders():
        if text == home or text.startswith((home + "/", home + "\\")):
            return "~" + text[len(home) :]
    return text


def resources_folder() -> Path:
    """Return the folder of files that ship with the application: in the wheel, the bundle, or the source tree."""
    package = Path(__file__).resolve().parent.parent
    if getattr(sys, "frozen", False):
        package = Path(getattr(sys, "_MEIPASS", package)) / "sdxl_desktop"
    shipped = package / "resources"
    return shipped if shipped.is_dir() else package.parent / "resources"


def unwritable_reason(file: Path) -> str | None:
    """Return a sentence that explains why `file` cannot be written, as far as that can be found out without writing;
    else None."""
    folder = file.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} is no folder."
    return None if os.access(folder, os.W_OK | os.X_OK) else f"{folder} cannot be written to."
