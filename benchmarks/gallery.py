"""The gallery with many pictures: how soon it shows them, how smoothly it scrolls, and what it keeps in memory.

    QT_QPA_PLATFORM=offscreen python -m benchmarks.gallery [--entries 50000] [--files 64] [--size 1920x1080]

The history has `--entries` entries over two years. Each has a file of its own name: hard links to `--files` different
pictures of 1024 x 1024, so every thumbnail is read and decoded like any other. A sample of scrolling ends when the grid
has painted, with everything else that the main thread had to do meanwhile.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QMainWindow

from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import GenerationRequest, Prompts, Sampling
from sdxl_desktop.history.connections import Connections
from sdxl_desktop.history.entries import NewPicture, PictureKind
from sdxl_desktop.history.picture_reading import indexed_file
from sdxl_desktop.history.rows import insert_picture
from sdxl_desktop.history.store import History
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.ui.app import create_application
from sdxl_desktop.ui.gallery.gallery_page import GalleryPage

_WORDS = ("red", "fox", "castle", "snow", "portrait", "sailor", "neon", "forest", "apple", "dragon", "rain", "golden")
_SIDE = 1024
_DAYS = 700
_WHEEL_NOTCH = 120
_TIMEOUT_S = 120.0


class InThreads:
    """A background runner for the page's few reads of files, which this benchmark does not measure."""

    def read(self, task: Callable[[], object], callback: Callable[[object], object], *_: object, **__: object) -> None:
        callback(task())

    write = read

    def set_failure_handler(self, handler: Callable[[SdxlDesktopError], object]) -> None:
        pass


def make_history(folder: Path, entries: int, files: int) -> Path:
    """Make the pictures and their history in `folder`; return its database."""
    dice, noise = random.Random(1), np.random.default_rng(1)
    originals = []
    for number in range(files):
        original = folder / "originals" / f"{number}.png"
        original.parent.mkdir(exist_ok=True)
        small = noise.integers(0, 255, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(small).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(original, compress_level=1)
        originals.append((original, indexed_file(original)))
    database = folder / "history.sqlite3"
    History.open(database).close()
    (folder / "pictures").mkdir()
    connections = Connections(database)
    now = datetime.now().astimezone()
    with connections.write() as connection:
        for number in range(entries):
            original, indexed = originals[number % files]
            file = folder / "pictures" / f"{number:06}.png"
            os.link(original, file)
            prompt = " ".join(dice.choices(_WORDS, k=12)) + f" number {number}"
            request = GenerationRequest(
                checkpoint=Path("starter"), prompts=Prompts(prompt=prompt), sampling=Sampling(seed=number)
            )
            new = NewPicture(
                file=file,
                size=Size(_SIDE, _SIDE),
                kind=PictureKind.TEXT_TO_IMAGE,
                record=PictureRecord(version="1", seed=number, request=request),
                checkpoint_title=f"Checkpoint {number % 7}",
            )
            insert_picture(connection, new, indexed, now - timedelta(days=_DAYS * (1 - number / entries)))
    connections.close()
    return database


class GalleryBenchmark:
    """A window with the gallery."""

    def __init__(self, app: QApplication, database: Path, thumbnails: Path, size: Size) -> None:
        self._app = app
        self.history = HistoryThread(database)
        self.history.open()
        self.wait(lambda: self.history.is_open)
        self.window = QMainWindow()
        self.window.resize(size.width, size.height)
        self.window.show()
        self.page = GalleryPage(self.history, InThreads(), thumbnails)  # type: ignore[arg-type]
        self.page.hide()  # as in the application, where it is made with the window
        self.window.setCentralWidget(self.page)
        self.page.hide()
        app.processEvents()

    def wait(self, is_done: Callable[[], bool]) -> float:
        """Return the seconds until `is_done`."""
        started = time.perf_counter()
        while not is_done():
            if time.perf_counter() - started > _TIMEOUT_S:
                raise SystemExit("It took too long.")
            self._app.processEvents()
            time.sleep(0.0005)  # an idle event loop leaves the interpreter to the other threads, too
        self._app.processEvents()
        return time.perf_counter() - started

    def open(self) -> tuple[float, float, float]:
        """Return the seconds until all visible pictures are listed and painted, how many of them the process computed,
        and the seconds until their thumbnails are there."""
        started, worked = time.perf_counter(), time.process_time()
        self.page.show()
        self.wait(lambda: self._are_entries_there())
        listed, worked = time.perf_counter() - started, time.process_time() - worked
        self.wait(lambda: self.page.thumbnails.is_idle)
        return listed, worked, time.perf_counter() - started

    def _are_entries_there(self) -> bool:
        grid = self.page.grid
        visible = grid.visible_numbers()
        return len(visible) > 0 and all(self.page.entries.entry_at(number) is not None for number in visible)

    def scroll(self, steps: int, notches: int, pause: float = 0.008) -> tuple[list[float], list[float], int]:
        """Turn the wheel; return the seconds of each step, how many of them were CPU time of this thread, and the
        largest number of bytes of thumbnails."""
        grid, times, cpu, most = self.page.grid, [], [], 0
        middle = QPointF(grid.viewport().rect().center())
        for _ in range(steps):
            turn = QPoint(0, -_WHEEL_NOTCH * notches)
            event = QWheelEvent(
                middle,
                QPointF(grid.viewport().mapToGlobal(middle)),
                QPoint(),
                turn,
                Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            started, worked = time.perf_counter(), time.thread_time()
            QApplication.sendEvent(grid.viewport(), event)
            self._app.processEvents()
            times.append(time.perf_counter() - started)
            cpu.append(time.thread_time() - worked)
            most = max(most, self.page.thumbnails.nbytes)
            time.sleep(pause)
        return times, cpu, most

    def jump_to_end(self) -> float:
        """Return the seconds until all thumbnails at the end are there."""
        bar = self.page.grid.verticalScrollBar()
        bar.setValue(bar.maximum())
        self._app.processEvents()
        return self.wait(lambda: self.page.thumbnails.is_idle)

    def close(self) -> None:
        self.page.close_page()
        self.history.close()
        self.window.close()
        self._app.processEvents()


def _row(title: str, seconds: list[float]) -> str:
    p50, p95, p99 = (1000 * float(np.percentile(seconds, share)) for share in (50, 95, 99))
    return f"{title:52} p50 {p50:6.2f}   p95 {p95:6.2f}   p99 {p99:6.2f} ms   n={len(seconds)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--entries", type=int, default=50_000)
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--size", type=Size.parse, default=Size(1920, 1080))
    parser.add_argument("--steps", type=int, default=400)
    asked = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    app = create_application()
    process = psutil.Process()
    with tempfile.TemporaryDirectory(prefix="sdxl-desktop-gallery-") as name:
        folder = Path(name)
        database = make_history(folder, asked.entries, asked.files)
        for state in ("no thumbnails kept yet", "thumbnails of the first screens kept"):
            bench = GalleryBenchmark(app, database, folder / "thumbnails", asked.size)
            before = process.memory_info().rss
            listed, worked, complete = bench.open()
            print(f"{asked.entries} entries, {asked.size}, {state}")
            print(f"opened in {listed:.3f} s ({worked:.3f} s of it computing), with all thumbnails in {complete:.3f} s")
            for title, notches in (("scrolling by the wheel, 1 notch each", 1), ("10 notches each", 10)):
                times, cpu, most = bench.scroll(asked.steps, notches)
                print(_row(title, times))
                print(_row("   of it computing on the main thread", cpu))
                print(f"   thumbnails in memory at most {most / 2**20:.1f} MiB")
            print(f"a jump to the end: all there in {bench.jump_to_end():.3f} s")
            grown = process.memory_info().rss - before
            print(f"memory of the process grew by {grown / 2**20:.0f} MiB\n")
            bench.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
