"""Saves, indexes, marks, moves and deletes pictures until it is killed, and announces what it has done.

    python work_until_killed.py FOLDER

For each seed on standard input a child process works. It writes "saved NAME" after a file is complete, "rated NAME N"
after a rating, "deleting NAME" before a file is deleted, and "renaming NAME NAME" before a file is renamed.
"""

from __future__ import annotations

import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.events import RunFinished, Timings
from sdxl_desktop.history.entries import HistoryEntry
from sdxl_desktop.history.store import History
from sdxl_desktop.session.history_recording import HistoryRecorder
from sdxl_desktop.session.result_files import PictureStore, Result
from tests.unit.history.pictures import finished, request_for

WORDS = ("red", "cat", "sleeping", "garden", "night", "heart", "old", "house")


def announce(*words: object) -> None:
    print(*words, flush=True)


def raise_error(error: Exception) -> None:
    raise error


@dataclass
class Worker:
    """Works on the pictures in `folder` with one history."""

    folder: Path
    dice: random.Random

    def __post_init__(self) -> None:
        self.pictures = self.folder / "pictures"
        self.history = History.open(self.folder / "data" / "history.sqlite3")
        self.recorder = HistoryRecorder(lambda task, _: task(self.history), raise_error)

    def save(self) -> None:
        seed = self.dice.randrange(2**32)
        request = request_for(" ".join(self.dice.choices(WORDS, k=3)), seed)
        saved = PictureStore(self.pictures).save(Result(finished(seed), request))
        assert saved.saved_to is not None
        announce("saved", saved.saved_to.name)
        self.recorder.result_saved(saved)
        self.recorder.run_finished(request, RunFinished(pictures=(), timings=Timings(denoise=1.0)))

    def mark(self) -> None:
        entry, rating = self.some_entry(), self.dice.randint(0, 5)
        if entry is not None:
            self.history.set_rating([entry.id], rating)
            announce("rated", entry.file.name, rating)
            self.history.add_tag([entry.id], self.dice.choice(WORDS))

    def delete(self) -> None:
        entry = self.some_entry()
        if entry is not None:
            announce("deleting", entry.file.name)
            entry.file.unlink(missing_ok=True)
            self.history.forget([entry.id])
            self.history.restore([entry.id])
            self.history.forget([entry.id])

    def rename(self) -> None:
        entry = self.some_entry()
        if entry is not None and entry.file.exists():
            new = entry.file.with_name(f"renamed-{self.dice.randrange(2**32)}.png")
            announce("renaming", entry.file.name, new.name)
            entry.file.rename(new)
            self.history.scan(self.pictures)

    def some_entry(self) -> HistoryEntry | None:
        found = self.history.page(offset=self.dice.randint(0, 20), limit=1)
        return found[0] if found else None

    def work(self) -> None:
        self.history.scan(self.pictures)
        announce("ready")
        while True:
            actions = [self.save] * 4 + [self.mark] * 3 + [self.delete, self.rename]
            self.dice.choice(actions)()
            if self.dice.random() < 0.03:
                self.history.rebuild(self.pictures)
                self.history.tidy()


def main() -> None:
    for line in sys.stdin:
        child = os.fork()  # the libraries are loaded once
        if not child:
            Worker(Path(sys.argv[1]), random.Random(int(line))).work()
        announce("child", child)
        os.waitpid(child, 0)
        announce("ended")


if __name__ == "__main__":
    main()
