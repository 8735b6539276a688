"""Where things live on this machine: platformdirs' folders, or one folder named by SDXL_DESKTOP_HOME."""

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
"""In the folder of logs, beside the engine's."""
ENGINE_LOG_FILE = "engine.log"

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}|%(\w+)%")


def expand_path(text: str | Path) -> Path:
    """The path that a person means by `text`: with their home for "~" and the values of variables, written as shells
    write them ($PICTURES, ${PICTURES}) or as Windows does (%PICTURES%), on every system. A variable that there is not
    stays as it is. Quotes and blanks around a pasted path do not count."""
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
    """The first variable in `text` that has no value, as it is written; "" when all have one."""
    names = _VARIABLE.finditer(text)
    return next((name[0] for name in names if (name[1] or name[2] or name[3]) not in os.environ), "")


def chosen_folder(text: str, default: Path) -> Path:
    """The folder that a person chose in the settings; what is not absolute lies in their home folder, wherever the
    application was started. `default` for nothing."""
    return Path.home() / expand_path(text) if text.strip() else default


@dataclass(frozen=True, slots=True)
class AppPaths:
    """The application's own folders. Nothing is created until something is written."""

    data: Path
    cache: Path
    settings_file: Path
    pictures: Path
    logs: Path

    @classmethod
    def from_environment(cls) -> AppPaths:
        """The folders for this process; SDXL_DESKTOP_HOME moves all of them under one folder."""
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
        """The person's own checkpoints, unless the settings say otherwise."""
        return self.data / "checkpoints"

    @property
    def log(self) -> Path:
        """The application's log."""
        return self.logs / LOG_FILE

    @property
    def engine_log(self) -> Path:
        """What the engine's process prints and logs."""
        return self.logs / ENGINE_LOG_FILE

    @property
    def compiled(self) -> Path:
        """OpenVINO's compiled blobs."""
        return self.cache / "compiled"


def home_folders() -> tuple[str, ...]:
    """The person's home as messages may spell it, the longest first; empty where there is none but the root."""
    try:
        home = str(Path.home())
    except RuntimeError:
        return ()
    spelled = {home, os.path.realpath(home)}
    spelled |= {each.replace("\\", "\\\\") for each in spelled} | {quote(each) for each in spelled}
    return tuple(sorted((each for each in spelled if len(Path(each).parts) > 1), key=len, reverse=True))


def with_tilde(path: Path) -> str:
    """`path` as text, with "~" for the person's home."""
    text = str(path)
    for home in home_folders():
        if text == home or text.startswith((home + "/", home + "\\")):
            return "~" + text[len(home) :]
    return text


def resources_folder() -> Path:
    """The folder of files that ship with the application: in the wheel, in the bundle, or in the source tree."""
    package = Path(__file__).resolve().parent.parent
    if getattr(sys, "frozen", False):
        package = Path(getattr(sys, "_MEIPASS", package)) / "sdxl_desktop"
    shipped = package / "resources"
    return shipped if shipped.is_dir() else package.parent / "resources"


def unwritable_reason(file: Path) -> str | None:
    """A sentence that says why `file` could not be written, as far as that can be told without writing; else None."""
    folder = file.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} is no folder."
    return None if os.access(folder, os.W_OK | os.X_OK) else f"{folder} cannot be written to."
