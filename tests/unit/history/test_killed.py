"""Killed at any moment of saving, indexing, marking, moving, deleting or rebuilding, the history is whole at the next
start, and lists every finished picture."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sdxl_desktop.history.entries import EntryState
from sdxl_desktop.history.store import History
from tests.unit.history import work_until_killed

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, and kills by signal")


@dataclass
class Announced:
    """What the killed processes said: the files that must be there, those that may be gone, and the ratings."""

    files: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    ratings: dict[str, int] = field(default_factory=dict)

    def take(self, line: str) -> None:
        match line.split():
            case ["saved", name]:
                self.files.add(name)
            case ["rated", name, rating]:
                self.ratings[name] = int(rating)
            case ["deleting", name]:
                self._leave(name)
            case ["renaming", name, new]:
                self._leave(name)
                self.unsure.add(new)

    def _leave(self, name: str) -> None:
        self.files.discard(name)
        self.unsure.add(name)
        self.ratings.pop(name, None)


def kill_repeatedly(folder: Path, times: int, seed: int) -> None:
    moments = random.Random(seed)
    announced = Announced()
    command = [sys.executable, work_until_killed.__file__, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as parent:
        for number in range(times):
            kill_once(parent, seed * 1000 + number, moments, announced)
            check(folder, announced)
        assert parent.stdin is not None
        parent.stdin.close()


def kill_once(parent: subprocess.Popen[str], seed: int, moments: random.Random, announced: Announced) -> None:
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write(f"{seed}\n")
    parent.stdin.flush()
    early = moments.random() < 0.2  # while it opens and scans
    child = 0
    ready = early
    while not child or not ready:
        line = parent.stdout.readline()
        assert line, "it ended by itself"
        child = int(line.split()[1]) if line.startswith("child") else child
        ready = ready or line.startswith("ready")
        announced.take(line)
    time.sleep(moments.uniform(0, 0.02 if early else 0.25))
    os.kill(child, signal.SIGKILL)
    while not (line := parent.stdout.readline()).startswith("ended"):
        assert line
        announced.take(line)


def check(folder: Path, announced: Announced) -> None:
    database, pictures = folder / "data" / "history.sqlite3", folder / "pictures"
    there = {file.name for file in pictures.glob("*.png")}
    assert announced.files <= there
    with closing(History.open(database)) as history:
        assert history.damaged is None
        history.scan(pictures)
        entries = history.page(limit=100_000)
        present = [entry.file.name for entry in entries if entry.state is EntryState.PRESENT]
        assert sorted(present) == sorted(there), "every picture that is there is listed once, and no other"
        assert not announced.files - set(present)
        marked = {entry.file.name: entry.rating for entry in entries}
        for name, rating in announced.ratings.items():
            if name in announced.files:
                assert marked[name] == rating
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.execute("INSERT INTO picture_text (picture_text, rank) VALUES ('integrity-check', 1)")
        lonely = "SELECT count(*) FROM picture LEFT JOIN details ON picture_id = id WHERE picture_id IS NULL"
        assert connection.execute(lonely).fetchone() == (0,)


def test_killed_twenty_times_nothing_is_lost(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, 20, 1)


@pytest.mark.slow
def test_killed_two_hundred_times_nothing_is_lost(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, 200, 2)
