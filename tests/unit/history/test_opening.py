"""A database of every schema opens; one of a newer version, or where nothing can be written, is refused politely."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event

import sdxl_desktop.history.migration
from sdxl_desktop.history.errors import HistoryBusyError, HistoryError, HistoryNewerError
from sdxl_desktop.history.schema import REVISION, REVISIONS, metadata
from sdxl_desktop.history.store import History
from tests.unit.history.pictures import Work

SCHEMAS = Path(__file__).parent / "schemas"
"""A database of each revision, with a picture, as the release of that revision wrote it, compressed."""


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(sdxl_desktop.history.migration.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def test_the_present_revision_is_the_newest_migration() -> None:
    assert scripts().get_current_head() == REVISION
    assert {script.revision for script in scripts().walk_revisions()} == REVISIONS
    assert {file.stem.split(".")[0] for file in SCHEMAS.iterdir()} == REVISIONS


def test_the_migrations_make_the_tables_that_the_statements_use(work: Work) -> None:
    assert work.history.count() == 0
    with closing(sqlite3.connect(work.database)) as connection:
        for table in metadata.tables.values():
            found = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")}
            assert found == {column.name for column in table.columns}, table.name
        made = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert {str(index.name) for table in metadata.tables.values() for index in table.indexes} <= made


@pytest.mark.parametrize("revision", sorted(REVISIONS))
def test_a_database_of_each_schema_opens(work: Work, revision: str) -> None:
    work.database.parent.mkdir()
    work.database.write_bytes(zlib.decompress((SCHEMAS / f"{revision}.sqlite3.zlib").read_bytes()))
    (entry,) = work.history.page()
    assert (entry.prompt, entry.seed, entry.rating, entry.tags) == ("a red cat, sleeping", 42, 4, ("zoo",))
    assert work.names(text="sleep") == ["cat.png"]
    details = work.history.details(entry.id)
    assert details is not None
    assert details.record is not None
    assert details.devices == {"unet": "CPU"}
    work.add("new.png", "another")
    assert work.history.count() == 2
    work.history.check()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alembic_version SET version_num = '9999'",
        "UPDATE alembic_version SET version_num = 'x' ",
        "DROP TABLE alembic_version",
    ],
)
def test_a_database_of_a_newer_version_is_refused_and_untouched(work: Work, change: str) -> None:
    work.add("cat.png")
    work.close()
    with closing(sqlite3.connect(work.database)) as connection, connection:
        connection.execute(change)
    before = work.database.read_bytes()
    with pytest.raises(HistoryNewerError, match="newer version"):
        History.open(work.database, thorough=True)
    assert work.database.read_bytes() == before
    assert not list(work.database.parent.glob("*damaged*"))


def test_an_empty_file_becomes_a_database(work: Work) -> None:
    work.database.parent.mkdir()
    work.database.touch()
    assert work.history.count() == 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(work: Work) -> None:
    work.database.parent.mkdir()
    work.database.parent.chmod(0o500)
    try:
        with pytest.raises(HistoryError, match=r"read-only|permission|Permission"):
            History.open(work.database)
    finally:
        work.database.parent.chmod(0o700)


def test_a_place_that_cannot_be_made_is_an_error_of_ours() -> None:
    with pytest.raises(HistoryError, match="history"):
        History.open(Path("/proc/nothing/history.sqlite3"))


def test_a_file_in_place_of_the_folder_is_an_error_of_ours(work: Work) -> None:
    work.database.parent.write_text("no folder")
    with pytest.raises(HistoryError):
        History.open(work.database)


def add_many(work: Work) -> None:
    for number in range(300):
        work.add(f"{number}.png", f"{number} long words " * 200, number)


def test_a_full_disk_is_named_and_nothing_is_lost(work: Work) -> None:
    first = work.add("cat.png", "a cat", 1)
    work.close()
    with closing(sqlite3.connect(work.database)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 3}")

    event.listen(Engine, "connect", limit)  # SQLite then fails as on a full disk
    try:
        with pytest.raises(HistoryError, match="full"):
            add_many(work)
    finally:
        event.remove(Engine, "connect", limit)
    work.close()
    assert work.history.entries([first])[0].prompt == "a cat"
    work.history.check()
    work.history.scan(work.pictures)
    assert work.history.count() == len(list(work.pictures.iterdir()))


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


def test_reading_goes_on_while_another_process_writes(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdxl_desktop.history.connections.BUSY_TIMEOUT_S", 0.1)
    entry = work.add("cat.png")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(work.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        work.close()
        assert work.history.page()[0].id == entry
        with pytest.raises(HistoryBusyError):
            work.history.set_rating([entry], 3)
    finally:
        holder.communicate("\n", timeout=30)
    work.history.set_rating([entry], 3)
    assert work.history.entries([entry])[0].rating == 3


WRITE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.unit.history.pictures import Work
work = Work(Path(sys.argv[1]))
for number in range(8):
    work.add(f"{sys.argv[2]}-{number}.png", f"picture {sys.argv[2]} {number}", number)
    work.history.set_rating([work.history.page()[0].id], 2)
work.close()
"""


def test_two_processes_write_at_once(work: Work) -> None:
    root = str(Path(__file__).parents[3])
    history = work.history
    command = [sys.executable, "-c", WRITE, str(work.folder), "other", root]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as other:
        own = 0
        while other.poll() is None:
            work.add(f"own-{own}.png", "own", own)
            own += 1
        assert other.stderr is not None
        assert other.returncode == 0, other.stderr.read()
    assert history.count() == 8 + own
    assert history.changed_elsewhere()
    assert not history.changed_elsewhere()
    assert history.scan(work.pictures).added == []
    history.check()
