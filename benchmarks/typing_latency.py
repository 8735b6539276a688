"""Latency from a key typed into the prompt until the window has followed it.

    QT_QPA_PLATFORM=offscreen python -m benchmarks.typing_latency [--keys 400] [--profile]

The window is the application's, with the starter checkpoint and its token counts, and an engine that draws nothing. A
sample is the CPU time of one key press and release and of all events that they cause at once; what waits for a pause
in typing is not part of it. `--profile` prints where the time goes.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import tempfile
import time

import numpy as np
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPlainTextEdit
from qasync import QEventLoop

from sdxl_desktop.bridge.background import AsyncioBackgroundRunner
from sdxl_desktop.core.paths import HOME_VARIABLE, AppPaths
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.ui.app import build_window, create_application

TEXT = "a small red fox in the (snow:1.2), at dawn, "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=400)
    parser.add_argument("--profile", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        app = create_application()
        loop = QEventLoop(app)
        asyncio.set_event_loop(loop)
        background = AsyncioBackgroundRunner(loop)
        window = build_window(app, AppPaths.from_environment(), FakeEngine(), background)
        window.show()
        window.start()
        with loop:
            loop.run_until_complete(asyncio.sleep(3))  # the checkpoints are listed, the vocabulary is read
            edit = window.parameters_panel.findChildren(QPlainTextEdit)[0]
            profile = cProfile.Profile() if chosen.profile else None
            seconds = _type(app, edit, chosen.keys, profile)
            window.close_now()
    first, rest = seconds[: len(seconds) // 2], seconds[len(seconds) // 2 :]
    for title, times in (("first half", first), ("second half, a longer prompt", rest)):
        p50, p95 = (1000 * float(np.percentile(times, share)) for share in (50, 95))
        print(f"{title:32} p50 {p50:6.2f}   p95 {p95:6.2f} ms a key   n={len(times)}")
    if profile is not None:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(60)


def _type(app: QApplication, edit: QPlainTextEdit, keys: int, profile: cProfile.Profile | None) -> list[float]:
    """Type `keys` characters; return the CPU seconds of each."""
    edit.setFocus()
    seconds = []
    for number in range(keys):
        if profile is not None:
            profile.enable()
        started = time.process_time()
        QTest.keyClicks(edit, TEXT[number % len(TEXT)])
        app.processEvents()
        seconds.append(time.process_time() - started)
        if profile is not None:
            profile.disable()
        time.sleep(0.002)
    return seconds


if __name__ == "__main__":
    main()
