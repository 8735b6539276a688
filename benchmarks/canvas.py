"""How long from a brush event to painted pixels? Also: undoing a full-canvas stroke, opening a 24-megapixel JPEG.

    QT_QPA_PLATFORM=offscreen python -m benchmarks.canvas [--events 400] [--side 2048] [--brush 200]

Real mouse events go through Qt to the canvas of a shown window; a sample ends when the window has painted. The second
round does the same while every core multiplies matrices in other processes, as the engine would.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget

from sdxl_desktop.session.document.document import Document
from sdxl_desktop.ui.app import create_application
from sdxl_desktop.ui.canvas import Canvas
from sdxl_desktop.ui.painting.easel import Easel
from sdxl_desktop.ui.painting.settings import ToolKind, ToolSettings
from sdxl_desktop.ui.painting.toolbar import PaintBar
from sdxl_desktop.ui.widgets.layout import column

_BETWEEN_EVENTS = 0.008
"""Seconds between two events of a usual mouse: 125 a second."""


class Bench:
    """A window of 1280 x 800 with a document of `side` x `side` on its canvas."""

    def __init__(self, app: QApplication, side: int, brush: int) -> None:
        self._app = app
        self.document = Document()
        self.canvas, self.bar = Canvas(), PaintBar()
        self.window = QWidget()
        self.window.setLayout(column(self.bar, self.canvas, spacing=0))
        self.window.resize(1280, 800)
        self.easel = Easel(self.canvas, self.bar, self.document)
        self.document.set_picture(np.random.default_rng(1).integers(0, 255, (side, side, 3), dtype=np.uint8))
        self.easel.edit()
        self.bar.set_value(ToolSettings(tool=ToolKind.BRUSH, size=brush, hardness=0.5))
        self.window.show()
        app.processEvents()

    def send(self, kind: QEvent.Type, spot: QPointF) -> tuple[float, float]:
        """Seconds from a mouse event until everything it asked for is painted, and how many of them were computing."""
        held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else Qt.MouseButton.LeftButton
        button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
        place = self.canvas.mapToGlobal(spot)
        event = QMouseEvent(kind, spot, place, button, held, Qt.KeyboardModifier.NoModifier)
        started, worked = time.perf_counter(), time.process_time()
        QApplication.sendEvent(self.canvas, event)
        self._app.processEvents()
        return time.perf_counter() - started, time.process_time() - worked

    def stroke(self, events: int) -> list[tuple[float, float]]:
        """A stroke in loops all over the picture, 20 points between events; what `send` tells of each event."""
        target = self.canvas.look.target()
        times: list[tuple[float, float]] = []
        self.send(QEvent.Type.MouseButtonPress, target.center())
        for number in range(events):
            angle = number * 0.06
            reach = 0.2 + 0.25 * (1 + math.sin(number * 0.013)) / 2
            spot = target.center() + QPointF(
                math.cos(angle) * target.width() * reach, math.sin(angle) * target.height() * reach
            )
            times.append(self.send(QEvent.Type.MouseMove, spot))
            time.sleep(_BETWEEN_EVENTS)
        self.send(QEvent.Type.MouseButtonRelease, target.center())
        return times

    def undo_full_stroke(self) -> tuple[float, float]:
        """Seconds to take back, and paint, a stroke that covered the whole picture; how many of them were computing."""
        assert self.document.size is not None
        self.bar.set_value(ToolSettings(tool=ToolKind.BRUSH, size=600, hardness=0.0))
        target = self.canvas.look.target()
        self.send(QEvent.Type.MouseButtonPress, target.topLeft())
        for row in range(12):
            y = target.top() + target.height() * row / 11
            for x in (target.left(), target.right()):
                self.send(QEvent.Type.MouseMove, QPointF(x, y))
        self.send(QEvent.Type.MouseButtonRelease, target.bottomRight())
        started, worked = time.perf_counter(), time.process_time()
        self.document.undo()
        self._app.processEvents()
        return time.perf_counter() - started, time.process_time() - worked

    def open_photograph(self, file: Path) -> tuple[float, float]:
        """Seconds to read a file, as a worker thread would, and seconds that the window stands still for it."""
        started = time.perf_counter()
        with Image.open(file) as picture:
            pixels = np.array(picture.convert("RGB"))
        read = time.perf_counter()
        self.document.set_picture(pixels, file.name, hand_over=True)
        self._app.processEvents()
        return read - started, time.perf_counter() - read


def _multiply() -> None:
    matrix = np.random.default_rng(0).standard_normal((700, 700), dtype=np.float32)
    while True:
        matrix @ matrix


@contextmanager
def all_cores_busy() -> Iterator[None]:
    """One process that computes for each core."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_multiply, daemon=True) for _ in range(os.cpu_count() or 1)]
    for worker in workers:
        worker.start()
    time.sleep(2.0)
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def _row(title: str, seconds: list[float]) -> str:
    p50, p95, p99 = (1000 * float(np.percentile(seconds, share)) for share in (50, 95, 99))
    return f"{title:44} p50 {p50:7.2f}   p95 {p95:7.2f}   p99 {p99:7.2f} ms   n={len(seconds)}"


def _rows(title: str, times: list[tuple[float, float]]) -> str:
    whole, own = ([one[at] for one in times] for at in (0, 1))
    return f"{_row(title, whole)}\n{_row('   of it computing, not waiting for a core', own)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=400)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--brush", type=int, default=200)
    options = parser.parse_args()
    bench = Bench(create_application(), options.side, options.brush)
    what = f"{options.brush} px brush on {options.side}²"
    bench.stroke(50)
    print(_rows(f"{what}, fitted", bench.stroke(options.events)))
    with all_cores_busy():
        print(_rows(f"{what}, fitted, all cores busy", bench.stroke(options.events)))
        bench.canvas.show_actual_size()
        print(_rows(f"{what}, 100 %, all cores busy", bench.stroke(options.events)))
    bench.canvas.fit()
    print(_rows("undo of a full-canvas stroke", [bench.undo_full_stroke() for _ in range(5)]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photograph.jpg"
        y, x = np.mgrid[:4000, :6000].astype(np.float32)
        waves = np.stack([127 + 100 * np.sin(x / 97 + shift) * np.cos(y / 61) for shift in (0, 2, 4)], axis=2)
        Image.fromarray(waves.astype(np.uint8)).save(file, quality=92)
        opened = [bench.open_photograph(file) for _ in range(3)]
    print(_row("24-megapixel JPEG: read (in a thread)", [read for read, _ in opened]))
    print(_row("24-megapixel JPEG: window stands still", [shown for _, shown in opened]))


if __name__ == "__main__":
    main()
