"""The errors of the history, and how the database's errors become them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from sdxl_desktop.core.errors import SdxlDesktopError, describe_error

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_FULL = frozenset({sqlite3.SQLITE_FULL})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_UNWRITABLE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})
_PRIMARY_CODE = 0xFF
"""SQLite's extended error codes carry the primary one in their lowest byte."""


class HistoryError(SdxlDesktopError):
    """The history cannot be read or written. The pictures are ordinary files and are not affected."""

    is_user_error = True


class HistoryDamagedError(HistoryError):
    """The database is damaged."""


class HistoryNewerError(HistoryError):
    """The database was written by a newer version of the application."""


class HistoryBusyError(HistoryError):
    """Another process has kept the database locked for too long."""


def is_damage(problem: BaseException) -> bool:
    """Whether `problem` says that the database file is damaged."""
    return _code(problem) in _DAMAGED


@contextmanager
def history_errors(file: Path) -> Iterator[None]:
    """A context that raises the database's errors as HistoryError."""
    try:
        yield
    except (DBAPIError, sqlite3.Error, OSError) as problem:
        raise history_error(file, problem) from problem


def history_error(file: Path, problem: BaseException) -> HistoryError:
    """Return the error that describes `problem`, an error of SQLite, SQLAlchemy or the system."""
    code = _code(problem)
    if code in _DAMAGED:
        return HistoryDamagedError(
            f"The history in {file} is damaged.",
            why="Its database cannot be read.",
            next_step="It is set aside and made again from the pictures at the next start, or by "
            "“sdxl-desktop history rebuild”.",
        )
    if code in _FULL:
        return HistoryError(
            "The history could not be written.",
            why=f"The disk with {file} is full.",
            next_step="Free space. The pictures themselves are saved, and are listed again afterwards.",
        )
    if code in _BUSY:
        return HistoryBusyError(
            "The history could not be written.",
            why="Another program is using its database.",
            next_step="Try again in a moment.",
        )
    if code in _UNWRITABLE or isinstance(problem, PermissionError):
        return HistoryError(
            f"The history in {file} cannot be opened for writing.",
            why="The folder or the file is read-only.",
            next_step="Allow writing there. Pictures are drawn and saved as before.",
        )
    cause = getattr(problem, "orig", None) or problem
    return HistoryError(
        "The history could not be read or written.",
        why=describe_error(cause),
        next_step=f"See whether {file.parent} can be written to and has free space.",
    )


def _code(problem: BaseException) -> int | None:
    cause = getattr(problem, "orig", None) or problem
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None and isinstance(cause, sqlite3.DatabaseError) and "malformed" in str(cause):
        return sqlite3.SQLITE_CORRUPT
    return None if code is None else int(code) & _PRIMARY_CODE
