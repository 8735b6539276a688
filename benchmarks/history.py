"""Times of the history with many pictures: opening, pages, days, searches, filters, marks, scans.

    python -m benchmarks.history [--entries 50000] [--rounds 9] [--folder DIR] [--json OUT]

The pictures are small files with whole records and prompts of 20 words, in DIR (or a temporary folder), where they stay
for the next run. Times are medians of the rounds, everything loaded, with the time of the processor, which other
programs disturb less; *open* is a new `History` until its first page, its count and its days are there.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import results
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.request import GenerationRequest, Prompts, Sampling
from sdxl_desktop.history.entries import HistoryFilter
from sdxl_desktop.history.store import History
from sdxl_desktop.metadata.picture_files import write_picture

_WORDS_PER_PROMPT = 20
_VOCABULARY = 4000
_PER_FOLDER = 1000
_COMMON = "portrait"
_SYLLABLES = ("ka", "lo", "mi", "ten", "sur", "bel", "po", "dra", "vin", "he", "qua", "ris", "mo", "fen", "ga", "st")


def main() -> None:
    asked = argparse.ArgumentParser(description="Times of the history with many pictures.")
    asked.add_argument("--entries", type=int, default=50_000)
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--folder", type=Path)
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        folder = given.folder or Path(spare)
        rows = measure(folder, given.entries, given.rounds)
    for row in rows:
        print(f"{row['what']:<50} {row['ms']:>10} ms {row.get('cpu ms', ''):>10} of the processor")
    if given.json is not None:
        command = results.command("benchmarks.history", None)
        results.write(given.json, "history", command=command, rows=rows, settings={"entries": given.entries})


def measure(folder: Path, entries: int, rounds: int) -> list[dict[str, object]]:
    """Return a row for each thing measured."""
    pictures, database = folder / "pictures", folder / "data" / "history.sqlite3"
    make_pictures(pictures, entries)
    rows: list[dict[str, object]] = []
    with closing(History.open(database)) as history:
        begun = time.perf_counter()
        added = len(history.scan(pictures).added)
        if added:
            seconds = time.perf_counter() - begun
            rows.append({"what": f"index {added} new files", "ms": round(seconds * 1000)})

    def timed(what: str, task: Callable[[], object]) -> None:
        taken, worked = [], []
        for _ in range(rounds):
            begun, used = time.perf_counter(), time.process_time()
            task()
            taken.append(time.perf_counter() - begun)
            worked.append(time.process_time() - used)
        rows.append({"what": what, "ms": _milliseconds(taken), "cpu ms": _milliseconds(worked)})

    timed("open, first page, count, days", lambda: _open(database))
    with closing(History.open(database)) as history:
        for what, wanted in _filters().items():
            timed(f"{what}: first page and count", partial(_first_page, history, wanted))
            timed(f"{what}: all ids", partial(history.ids, wanted))
        timed("last page", lambda: history.page(offset=entries - 100))
        timed("days", history.days)
        timed("checkpoints and tags", lambda: (history.checkpoints(), history.tags()))
        first = history.page(limit=100)
        timed("details", lambda: history.details(first[50].id))
        timed("rate one", lambda: history.set_rating([first[0].id], 3))
        timed("rate a hundred", lambda: history.set_rating([entry.id for entry in first], 3))
        timed("scan, nothing new", lambda: history.scan(pictures))
        timed("check the whole database", history.check)
    return rows


def _milliseconds(seconds: list[float]) -> float:
    return round(statistics.median(seconds) * 1000, 1)


def _open(database: Path) -> None:
    with closing(History.open(database)) as history:
        history.page()
        history.count()
        history.days()


def _first_page(history: History, wanted: HistoryFilter) -> None:
    history.page(wanted)
    history.count(wanted)


def _vocabulary() -> tuple[list[str], list[float]]:
    """Return made-up words, and how often each is used: as in a language, the n-th word 1/n as often as the first."""
    dice = random.Random(2)
    words = ["".join(dice.choices(_SYLLABLES, k=dice.randint(1, 4))) for _ in range(_VOCABULARY)]
    return words, [1 / (number + 1) for number in range(_VOCABULARY)]


def _filters() -> dict[str, HistoryFilter]:
    words, _ = _vocabulary()
    often, seldom = words[3], words[3000]
    return {
        "everything": HistoryFilter(),
        "a rare word": HistoryFilter(text=f'"{seldom}"'),
        "a word of every other prompt": HistoryFilter(text=_COMMON),
        "one letter": HistoryFilter(text=often[:1]),
        "the beginning of words": HistoryFilter(text=often[:3]),
        "three words": HistoryFilter(text=f"{_COMMON} {often} {seldom[:2]}"),
        "a phrase": HistoryFilter(text=f'"{_COMMON} {often}"'),
        "a text without words": HistoryFilter(text="☃"),
        "rating and star": HistoryFilter(min_rating=3, starred=False),
    }


def make_pictures(folder: Path, number: int) -> None:
    """Write the picture files that are not there yet."""
    dice = random.Random(1)
    words, weights = _vocabulary()
    pixels = np.zeros((8, 8, 3), np.uint8)
    for index in range(number):
        prompt = dice.choices(words, weights, k=_WORDS_PER_PROMPT)
        if index % 2:
            prompt.insert(dice.randrange(_WORDS_PER_PROMPT), _COMMON)
        file = folder / f"{index // _PER_FOLDER:03}" / f"{index}.png"
        if not file.exists():
            request = GenerationRequest(
                checkpoint=Path(f"checkpoint-{index % 7}"),
                prompts=Prompts(prompt=", ".join(prompt), negative_prompt="blurry, ugly"),
                sampling=Sampling(seed=index),
            )
            write_picture(file, Picture(pixels=pixels, seed=index), request)


if __name__ == "__main__":
    main()
