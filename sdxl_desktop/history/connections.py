"""The database's connections: one that writes, one transaction at a time, and as many readers as there are threads
reading."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool, StaticPool

from sdxl_desktop.history.errors import history_errors

BUSY_TIMEOUT_S = 10.0
"""How long a write waits for another process."""
_MAX_READERS = 8
_CACHE_KIB = 32 * 1024
"""Memory for the database's pages, per connection."""


class Connections:
    """The connections to one database file, for any thread. Errors are raised as HistoryError."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.RLock()  # one writer at a time
        self._writer = _engine(file, writing=True)
        self._readers = _engine(file, writing=False)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; it is committed when the block ends, and rolled back when the block raises."""
        with self._lock, history_errors(self._file), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads a consistent state, beside any writer."""
        with history_errors(self._file), self._readers.begin() as connection:
            yield connection

    def data_version(self) -> int:
        """Return a number that changes when another process has written to the database."""
        with self._lock, history_errors(self._file):
            connection = self._writer.raw_connection()
            try:
                return int(connection.cursor().execute("PRAGMA data_version").fetchone()[0])
            finally:
                connection.close()

    def close(self) -> None:
        """Close every connection. Safe to call twice."""
        with self._lock:
            self._readers.dispose()
            self._writer.dispose()


def _engine(file: Path, *, writing: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            if writing:
                connection.execute("PRAGMA journal_mode = WAL")  # stays a rollback journal where WAL is impossible
                connection.execute("PRAGMA synchronous = NORMAL")
            else:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    options: dict[str, Any] = {"poolclass": StaticPool} if writing else {"poolclass": QueuePool, "pool_size": 2}
    if not writing:
        options["max_overflow"] = _MAX_READERS - 2
    engine = create_engine("sqlite://", creator=connect, **options)
    begin = "BEGIN IMMEDIATE" if writing else "BEGIN"

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)  # sqlite3's own transactions would leave out changes of the schema

    return engine
