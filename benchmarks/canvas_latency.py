"""Latency from a brush event to painted pixels; also undo of a full-canvas stroke and opening a 24-megapixel JPEG.

    QT_QPA_PLATFORM=offscreen python -m benchmarks.canvas_latency [--events 400] [--side 2048] [--brush 200]

Real mouse events go through Qt to the canvas of a shown window, with the mask and its frame updated; a sample ends when
the window has painted. The second round repeats this while the application's engine process generates with the starter
checkpoint on all cores, at its usual low priority; the third while as many processes of that priority multiply
matrices, which uses more memory bandwidth than a small checkpoint does.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget

from sdxl_desktop.core.events import EngineEvent, Phase, Progress, RunFailed
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths, resources_folder
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts, Sampling
from sdxl_desktop.engine.process.process_engine import ProcessEngine
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.frame import FramePolicy
from sdxl_desktop.ui.app import create_application
from sdxl_desktop.ui.canvas import Canvas
from sdxl_desktop.ui.painting.canvas_editor import CanvasEditor
from sdxl_desktop.ui.painting.paint_bar import PaintBar
from sdxl_desktop.ui.painting.tool_settings import ToolKind, ToolSettings
from sdxl_desktop.ui.widgets.layout_helpers import column
from sdxl_desktop.workers.worker_main import NICENESS

_BETWEEN_EVENTS = 0.008
"""Seconds between two events of a typical mouse: 125 per second."""


class CanvasBenchmark:
    """A window of 1280 x 800 with a document of `side` x `side` on its canvas."""

    def __init__(self, app: QApplication, side: int, brush: int) -> None:
        self._app = app
        self.document = Document()
        self.canvas, self.bar = Canvas(), PaintBar()
        self.window = QWidget()
        self.window.setLayout(column(self.bar, self.canvas, spacing=0))
        self.window.resize(1280, 800)
        self.easel = CanvasEditor(self.canvas, self.bar, self.document)
        self.document.set_picture(np.random.default_rng(1).integers(0, 255, (side, side, 3), dtype=np.uint8))
        self.easel.set_frame_policy(FramePolicy(requested_size=Size(1024, 1024), only_masked=64))
        self.easel.attach()
        self._brush = brush
        self.restore_brush()
        self.window.show()
        app.processEvents()

    def restore_brush(self) -> None:
        self.bar.set_value(ToolSettings(tool=ToolKind.BRUSH, size=self._brush, hardness=0.5))

    def send(self, kind: QEvent.Type, spot: QPointF) -> tuple[float, float]:
        """Return the seconds from a mouse event until all its effects are painted, and how many of them were CPU
        time."""
        held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else Qt.MouseButton.LeftButton
        button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
        place = self.canvas.mapToGlobal(spot)
        event = QMouseEvent(kind, spot, place, button, held, Qt.KeyboardModifier.NoModifier)
        started, worked = time.perf_counter(), time.process_time()
        QApplication.sendEvent(self.canvas, event)
        self._app.processEvents()
        return time.perf_counter() - started, time.process_time() - worked

    def stroke(self, events: int) -> list[tuple[float, float]]:
        """Draw a stroke in loops all over the picture, 20 points between events; return the result of `send` for each
        event."""
        target = self.canvas.viewport.picture_rect()
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
        """Return the seconds to undo, and paint, a stroke over the whole picture, and the CPU seconds."""
        assert self.document.size is not None
        self.bar.set_value(ToolSettings(tool=ToolKind.BRUSH, size=600, hardness=0.0))
        target = self.canvas.viewport.picture_rect()
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
        """Return the seconds to read a file, as a worker thread does, and the seconds that the window is blocked."""
        started = time.perf_counter()
        with Image.open(file) as picture:
            pixels = np.array(picture.convert("RGB"))
        read = time.perf_counter()
        self.document.set_picture(pixels, file.name, take_ownership=True)
        self._app.processEvents()
        return read - started, time.perf_counter() - read


@contextmanager
def engine_drawing(drawing: Size) -> Iterator[list[float]]:
    """A context in which the engine process generates on all cores; afterwards the list holds the number of cores used.

    It generates one picture of very many steps, cancelled at the end; its events are received as in the application.
    """
    engine, cancel, begun = ProcessEngine(AppPaths.from_environment()), threading.Event(), threading.Event()
    problems: list[str] = []

    def hear(event: EngineEvent) -> None:
        if isinstance(event, RunFailed):
            problems.append(event.error.what)
        if isinstance(event, RunFailed) or (isinstance(event, Progress) and event.phase is Phase.DENOISING):
            begun.set()

    request = GenerationRequest(
        checkpoint=resources_folder() / "checkpoints" / "starter",
        prompts=Prompts(prompt="a red heart on a blue background"),
        sampling=Sampling(size=drawing, steps=900),
        execution=Execution(preview=True),
    )
    thread = threading.Thread(target=engine.generate, args=(request, hear, cancel))
    thread.start()
    cores: list[float] = []
    try:
        if not begun.wait(120) or problems:
            raise SystemExit(f"The engine does not draw: {' '.join(problems) or 'no event was received'}")
        process, began = psutil.Process().children()[0], time.perf_counter()
        before = process.cpu_times()
        yield cores
        after = process.cpu_times()
        cores.append((after.user + after.system - before.user - before.system) / (time.perf_counter() - began))
        if not thread.is_alive():
            raise SystemExit("The engine was done before the strokes were: give it a larger picture.")
    finally:
        cancel.set()
        thread.join()
        engine.close()


def _multiply_matrices() -> None:
    os.nice(NICENESS)
    matrix = np.random.default_rng(0).standard_normal((700, 700), dtype=np.float32)
    while True:
        matrix @ matrix


@contextmanager
def matrices_multiplied() -> Iterator[None]:
    """A context with one computing process per core, at the engine's priority."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_multiply_matrices, daemon=True) for _ in range(os.cpu_count() or 1)]
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
    parser.add_argument("--drawing", type=int, default=512, help="the side of the picture that the engine draws")
    options = parser.parse_args()
    bench = CanvasBenchmark(create_application(), options.side, options.brush)
    what = f"{options.brush} px brush on {options.side}²"
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before anything of this was started")
    bench.stroke(50)
    print(_rows(f"{what}, fitted", bench.stroke(options.events)))
    with engine_drawing(Size(options.drawing, options.drawing)) as cores:
        print(_rows(f"{what}, fitted, engine drawing", bench.stroke(options.events)))
        bench.canvas.show_actual_size()
        print(_rows(f"{what}, 100 %, engine drawing", bench.stroke(options.events)))
        bench.canvas.fit()
        print(_rows("undo of a full stroke, engine drawing", [bench.undo_full_stroke() for _ in range(5)]))
    print(f"   the engine used {cores[0]:.1f} cores of {os.cpu_count()}")
    bench.restore_brush()
    with matrices_multiplied():
        print(_rows(f"{what}, fitted, matrices multiplied", bench.stroke(options.events)))
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
