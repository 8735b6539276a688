"""Opens a database file at the present schema: creates it, migrates an older one, refuses a newer one, and sets a
damaged one aside."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from sdxl_desktop.core.exclusive_write import numbered_names
from sdxl_desktop.history.errors import HistoryNewerError
from sdxl_desktop.history.schema import REVISIONS

_COMPANIONS = ("-wal", "-shm")
"""SQLite's files beside a database."""


def found_revision(file: Path) -> str | None:
    """Return the revision of the database `file`; None if it is missing or empty. The file is opened read-only.

    Raises HistoryNewerError for an unknown revision, and sqlite3.Error, for instance for a damaged file.
    """
    if not file.exists() or file.stat().st_size == 0:
        return None
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "alembic_version" not in tables:
            if not tables:
                return None
            raise _newer(file)
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    revision = None if found is None else str(found[0])
    if revision not in {None, *REVISIONS}:
        raise _newer(file)
    return revision


def _newer(file: Path) -> HistoryNewerError:
    return HistoryNewerError(
        f"The history in {file} was written by a newer version of SDXL Desktop.",
        why="This version does not know its tables, and has not changed it.",
        next_step="Start the newer version. Pictures are drawn and saved as before, but are not listed here.",
    )


def upgrade(connection: Connection) -> None:
    """Bring the database of `connection` to the present schema, within the transaction in progress. Alembic is imported
    only for this."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def set_aside(file: Path) -> Path:
    """Rename a damaged database, with SQLite's files beside it, and return its new name. Raises OSError."""
    wanted = file.with_name(f"{file.stem}-damaged-{datetime.now():%Y%m%d-%H%M%S}{file.suffix}")
    free = next(name for name in numbered_names(wanted) if not name.exists())
    for companion in _COMPANIONS:
        with suppress(FileNotFoundError):
            Path(f"{file}{companion}").rename(f"{free}{companion}")
    file.rename(free)
    return free
