"""The application log: one rotating private file, set up once per process. This module decides what it may contain.

Modules log with `logging.getLogger(__name__)`. The first line opens the file. No line contains a token or the path of
the user's home folder; prompts are logged only if the user allows it (`allow_prompts`).
"""

from __future__ import annotations

import io
import logging
import logging.handlers
import os
import platform
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from sdxl_desktop.core.file_names import slugify
from sdxl_desktop.core.paths import LOG_FILE, home_folders
from sdxl_desktop.core.private_files import make_private_folder, open_private_append
from sdxl_desktop.core.untrusted_text import replace_unencodable

MAX_BYTES, BACKUPS = 2**20, 2
MAX_RECORD = 20_000
"""Maximum characters per record, traceback included."""
ROOT = "sdxl_desktop"
"""The parent of all module loggers of this application."""

_KEPT_OUT = 400
_LEAST_PROMPT = 3
"""Characters; shorter prompts say nothing, and without them whole messages could not be read."""
_LEAST_FRAGMENT = 8
_LEAST_SECRET = 4
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_FRAGMENTS = re.compile(r"[,.;:()\[\]\n\r|]+")
# Every repetition is bounded: untrusted text must not stall the caller.
_SECRETS = (
    (re.compile(r"\bhf_[A-Za-z0-9]{6,}"), "hf_…"),
    (re.compile(r"(?i)\b(bearer|basic)\s{1,3}[\w.~+/=-]{6,}"), r"\1 …"),
    (re.compile(r"(?<=://)[^/@\s]{1,300}@"), "…@"),
    (
        re.compile(
            r"(?i)((?:token|password|passwd|secret|signature|api[_-]?key|credential|authorization)[\w-]{0,20}"
            r"[\"']?\s{0,3}[=:]\s{0,3}[\"']?)(?!bearer|basic)[^\s&\"',;)}]{6,}"
        ),
        r"\1…",
    ),
)
_TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


class LogFormatter(logging.Formatter):
    """Formats records without secrets, control characters, the home folder, and prompts unless they are allowed.

    A record may carry `prompts` (see `with_prompts`). If allowed, they are appended to the record; if not, they are
    also redacted from every later record, which may quote them or a file named after them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.prompts_allowed = False
        self._secrets: deque[str] = deque(maxlen=_KEPT_OUT)
        self._prompts: deque[str] = deque(maxlen=_KEPT_OUT)

    def add_secret(self, secret: str) -> None:
        """Redact `secret` from all records from now on."""
        if secret and secret not in self._secrets:
            self._secrets.append(secret)

    def forget_prompts(self) -> None:
        """Begin anew: no prompt was seen yet."""
        self._prompts.clear()

    def format(self, record: logging.LogRecord) -> str:
        prompts: Mapping[str, str] = getattr(record, "prompts", {})
        message = record.getMessage()
        if self.prompts_allowed:
            message += "".join(f" {name}={words!r}" for name, words in prompts.items() if words)
        else:
            for prompt in prompts.values():
                self._prompts.extend(part for part in _quotable(prompt) if part not in self._prompts)
        if record.exc_info:
            message += f"\n{self.formatException(record.exc_info)}"
        if record.stack_info:
            message += f"\n{record.stack_info}"
        begin = f"{self.formatTime(record)} {record.levelname} {record.process} {record.name}"
        return f"{begin}: {self._cleaned(message)}"

    def _cleaned(self, text: str) -> str:
        if len(text) > MAX_RECORD:
            text = f"{text[: MAX_RECORD // 2]}…{text[-MAX_RECORD // 2 :]}"
        text = replace_unencodable(text)
        for pattern, instead in _SECRETS:
            text = pattern.sub(instead, text)
        hidden = [*self._secrets, *(os.environ.get(name, "") for name in _TOKEN_VARIABLES)]
        for secret in hidden:
            text = text.replace(secret, "…") if len(secret) >= _LEAST_SECRET else text
        if not self.prompts_allowed and self._prompts:
            text = _without(tuple(self._prompts)).sub("[prompt]", text)
        text = _homes(tuple(home_folders())).sub("~", text)
        return _CONTROLS.sub("\ufffd", text).replace("\n", "\n    ")


def _quotable(prompt: str) -> list[str]:
    """Return the forms of a prompt that other messages may quote: the whole, as in file names and Python reprs, and its
    parts."""
    whole = prompt.strip()
    if len(whole) < _LEAST_PROMPT:
        return []
    parts = [part.strip() for part in _FRAGMENTS.split(whole)]
    forms = [whole, " ".join(whole.split()), repr(whole)[1:-1], slugify(whole, "")]
    return list(dict.fromkeys([form for form in forms if form] + [p for p in parts if len(p) >= _LEAST_FRAGMENT]))


@lru_cache(maxsize=8)
def _without(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in longest_first), re.IGNORECASE)


@lru_cache(maxsize=8)
def _homes(homes: tuple[str, ...]) -> re.Pattern[str]:
    if not homes:
        return re.compile(r"(?!)")
    flags = re.IGNORECASE if os.name == "nt" else 0
    return re.compile("|".join(rf"{re.escape(home)}(?![\w.-])" for home in homes), flags)


_formatter = LogFormatter()


def allow_prompts(allowed: bool) -> None:
    """Set whether the log may contain the prompts of runs from now on."""
    _formatter.prompts_allowed = allowed


def add_secret(secret: str) -> None:
    """Redact a token or password from everything that is logged from now on."""
    _formatter.add_secret(secret)


def with_prompts(prompts: Mapping[str, str]) -> dict[str, object]:
    """Return the `extra` of a log call that concerns these prompts, by name."""
    return {"prompts": dict(prompts)}


@contextmanager
def application_log(folder: Path) -> Iterator[None]:
    """A context in which this process logs to `LOG_FILE` in `folder`: its own modules from INFO, libraries from
    WARNING.

    Nothing is printed, and nothing is created before the first line. If the file cannot be written, nothing is logged.
    """
    _formatter.forget_prompts()
    root, own = logging.getLogger(), logging.getLogger(ROOT)
    handler = _PrivateRotatingFileHandler(folder / LOG_FILE)
    handler.setFormatter(_formatter)
    level = own.level
    root.addHandler(handler)
    own.setLevel(logging.INFO)
    try:
        yield
    finally:
        own.setLevel(level)
        root.removeHandler(handler)
        handler.close()


def log_to_stderr(level: int, *, own: int | None = None) -> None:
    """Make a worker process log to stderr with the same redaction, from `level`; its own modules from `own`."""
    handler = logging.StreamHandler()
    handler.setFormatter(_formatter)
    logging.basicConfig(handlers=[handler], level=level)
    logging.getLogger(ROOT).setLevel(level if own is None else own)


class _PrivateRotatingFileHandler(logging.handlers.RotatingFileHandler):
    """Creates its folder and file with the first line, readable by this user only; several processes may write it."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, maxBytes=MAX_BYTES, backupCount=BACKUPS, delay=True, encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream is not None and not self._is_same_file():
            with suppress(OSError):  # the disk may be full
                self.stream.close()  # another process has started a new file
            self.stream = None
        super().emit(record)

    def _is_same_file(self) -> bool:
        assert self.stream is not None
        try:
            there, here = os.stat(self.baseFilename), os.fstat(self.stream.fileno())
        except (OSError, ValueError):
            return False
        return os.path.samestat(there, here)

    def _open(self) -> io.TextIOWrapper:
        file = Path(self.baseFilename)
        make_private_folder(file.parent, restrict_existing=True)
        opened = io.TextIOWrapper(open_private_append(file), encoding="utf-8", errors="backslashreplace", newline="\n")
        opened.write(f"{_formatter.formatTime(_now())} INFO {os.getpid()} {ROOT}: {_log_header()}\n")
        return opened

    def rotate(self, source: str, dest: str) -> None:
        with suppress(OSError):  # Windows forbids this while another process holds it open: the file keeps growing
            super().rotate(source, dest)

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore the error: failures are also reported outside the log."""


def _now() -> logging.LogRecord:
    return logging.LogRecord(ROOT, logging.INFO, "", 0, "", None, None)


def _log_header() -> str:
    """Return the header of a log: versions and platform."""
    libraries = ", ".join(
        f"{name} {version}" for name, version in _versions(("openvino", "PySide6-Essentials", "torch"))
    )
    frozen = " (bundle)" if getattr(sys, "frozen", False) else ""
    return (
        f"SDXL Desktop {_own_version()}{frozen}, Python {platform.python_version()}, {libraries}, "
        f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} processors"
    )


def _own_version() -> str:
    from sdxl_desktop import __version__

    return __version__


def _versions(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)
