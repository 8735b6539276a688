"""Killed at any moment, in the middle of a stroke, of an apply, of an autosave or of a recovery, the application finds
its document again: whole, one that there really was, and as new as the last autosave."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sdxl_desktop.session.document.autosave import find_recoverable
from tests.unit.session.document import edit_until_killed
from tests.unit.session.document.edit_until_killed import fingerprint

ROOT = Path(__file__).resolve().parents[4]
OLDEST = 5.0
"""Seconds that a recovered document may lag behind the one that was killed."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")


@dataclass(slots=True)
class Told:
    """What a process said until it was killed."""

    found: int = -1
    recovered: str = ""
    ready: float = 0.0
    ticks: dict[int, tuple[str, float]] = field(default_factory=dict)
    kept: int = 0
    doing: str = "start"

    @classmethod
    def by(cls, lines: list[str]) -> Told:
        reported = cls()
        for line in lines:
            match line.split():
                case ["found", number]:
                    reported.found = int(number)
                case ["recovered", known]:
                    reported.recovered = known
                case ["ready", moment]:
                    reported.ready = float(moment)
                    reported.doing = "begin"
                case ["tick", revision, known, moment]:
                    reported.ticks[int(revision)] = known, float(moment)
                case ["kept", revision]:
                    reported.kept = int(revision)
                case ["begin", what]:
                    reported.doing = what
        return reported

    @property
    def autosaving(self) -> bool:
        """Whether something handed over had not been announced as kept."""
        return bool(self.ticks) and max(self.ticks) > self.kept


@dataclass(slots=True)
class Kills:
    """One application that is started and killed over and over, and what became of its document."""

    folder: Path
    seed: int
    side: int = 448
    pace: float = 0.0
    before: str = ""
    """The hash of the document that the last kill left; "" when there was none yet."""
    killed_in: Counter[str] = field(default_factory=Counter)

    def run(self, times: int) -> None:
        moments = random.Random(self.seed)
        for number in range(times):
            early = moments.random() < 0.25  # while it looks for what was left, loads it and takes it over
            wait = moments.uniform(0, 0.008) if early else moments.uniform(0, 0.1)
            reported, moment = self.kill("looking" if early else "ready", wait, self.seed * 1000 + number)
            self.check(reported, moment)
            self.killed_in[reported.doing] += 1
            self.killed_in["autosave"] += reported.autosaving

    def kill(self, after: str, wait: float, seed: int) -> tuple[Told, float]:
        """Start, wait for a line that begins with `after` and `wait` seconds, and kill; what was said, and when it
        ended."""
        script = edit_until_killed.__file__
        command = [sys.executable, script, str(self.folder), str(seed), str(self.side), str(self.pace)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            lines: list[str] = []
            while not (lines and lines[-1].startswith(after)):
                lines.append(process.stdout.readline())
                assert lines[-1], f"it ended by itself: {process.stderr.read()}"
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            moment = time.monotonic()
            lines += process.stdout.readlines()
            assert process.wait() == -signal.SIGKILL, process.stderr.read()
        return Told.by(lines), moment

    def check(self, reported: Told, moment: float) -> None:
        """What is there now is a document that the process had announced, and none older than it had kept."""
        if reported.found >= 0:
            assert reported.found == (1 if self.before else 0), "always exactly the one document that was left"
        if reported.ready and self.before:
            assert reported.recovered == self.before
        left = find_recoverable(self.folder)
        if not left:
            assert not self.before
            assert not reported.kept
            return
        (found,) = left
        try:
            now = fingerprint(found.load())
        finally:
            found.release()
        fresh = {known: made for revision, (known, made) in reported.ticks.items() if revision >= reported.kept}
        if not reported.kept and self.before:
            fresh.setdefault(self.before, reported.ready or moment)
        assert now in fresh, "neither the last document that was kept nor a newer one"
        assert moment - fresh[now] <= OLDEST
        self.before = now


def test_killed_five_times_there_is_always_a_whole_and_recent_document(tmp_path: Path) -> None:
    kills = Kills(tmp_path / "recovery", seed=5)
    kills.run(5)
    assert kills.before
    clean_up(kills.folder)


@pytest.mark.slow
def test_killed_a_hundred_times_there_is_always_a_whole_and_recent_document(tmp_path: Path) -> None:
    """Two applications side by side, fifty kills each; every kind of work is hit many times."""
    both = [Kills(tmp_path / str(seed), seed) for seed in (1, 2)]
    with ThreadPoolExecutor(2) as threads:
        for outcome in [threads.submit(kills.run, 50) for kills in both]:
            outcome.result()
    hits = both[0].killed_in + both[1].killed_in
    assert all(hits[what] >= 5 for what in ("stroke", "apply", "autosave", "start")), hits
    for kills in both:
        clean_up(kills.folder)


@pytest.mark.slow
def test_at_the_pace_of_the_window_no_more_than_five_seconds_are_lost(tmp_path: Path) -> None:
    """Three documents that change without pause, autosaved after four seconds as the editor does."""

    def kill_late(seed: int) -> None:
        kills = Kills(tmp_path / str(seed), seed, side=1024, pace=4.0)
        reported, moment = kills.kill("ready", random.Random(seed).uniform(6, 16), seed)
        assert len(reported.ticks) >= 1
        kills.check(reported, moment)
        assert kills.before
        clean_up(kills.folder)

    with ThreadPoolExecutor(3) as threads:
        for outcome in [threads.submit(kill_late, seed) for seed in range(3)]:
            outcome.result()


def clean_up(folder: Path) -> None:
    """What was recovered can be thrown away without a trace."""
    (found,) = find_recoverable(folder)
    found.discard()
    assert not list(folder.iterdir())
