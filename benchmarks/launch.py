"""Time to the first paint of the window and to the first step of a picture, each against a peer.

    python -m benchmarks.launch [--rounds 9]
    python -m benchmarks.launch --checkpoint DIR [--size 512] [--rounds 3] [--json OUT]

Each round starts both in fresh processes, alternately (A B A B). Without a checkpoint it measures from before the
process starts to the first paint of the exposed window, and the peer is a bare PySide6 window; that needs a display, or
QT_QPA_PLATFORM=offscreen. With one it measures the time to the beginning of the first step of a picture, in the engine
process that the window uses, and the peer is plain optimum-intel with a cache: with Generate pressed at once, with a
cached and with a new prompt, and with Generate pressed 15 seconds after the launch. A first run of each, which
compiles, is not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import one_picture, results

KNOWN, NEW, LATER, OPTIMUM = "known prompt", "new prompt", "15 s after launch", "optimum-intel"
STARTS = {KNOWN: "ours", OPTIMUM: "optimum", NEW: "ours", LATER: "ours-later"}

_OBSERVER_SCRIPT = """
import sys, time
from PySide6.QtCore import QEvent, QObject, QTimer

class Watch(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, watched, lambda: self.told(watched))
        return False

    def told(self, window):
        print(time.time(), flush=True)
        window.close()
"""

APP = (
    _OBSERVER_SCRIPT
    + """
from sdxl_desktop.ui import app
build = app.build_window
watch = Watch()

def watched(*given, **named):
    window = build(*given, **named)
    window.installEventFilter(watch)
    return window

app.build_window = watched
from sdxl_desktop.main import main
sys.exit(main([]))
"""
)

PEER = (
    _OBSERVER_SCRIPT
    + """
from PySide6.QtWidgets import QApplication, QLabel
app = QApplication([])
window = QLabel("Hello")
window.resize(1280, 800)
watch = Watch()
window.installEventFilter(watch)
window.show()
sys.exit(app.exec())
"""
)


def launch(script: str) -> float:
    """Return the seconds from before the start of the process to its first paint."""
    with tempfile.TemporaryDirectory() as home:
        started = time.time()
        told = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "SDXL_DESKTOP_HOME": home},
        )
    if told.returncode != 0 or not told.stdout:
        raise SystemExit(f"The window did not open:\n{told.stderr}")
    return float(told.stdout.split()[0]) - started


def windows(rounds: int) -> None:
    """Measure until the first paint."""
    for script in (APP, PEER):  # the first start reads from disk and is not counted
        launch(script)
    pairs = [(launch(APP), launch(PEER)) for _ in range(rounds)]
    for title, times in (("SDXL Desktop", [a for a, _ in pairs]), ("bare PySide6 window", [b for _, b in pairs])):
        _tell(title, times)
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{'ratio':20} median {ratio:.2f}   ({rounds} pairs)")


def first_steps(checkpoint: Path, size: int, rounds: int) -> list[dict[str, Any]]:
    """Measure until the first step; return the rows of all runs."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["SDXL_DESKTOP_HOME"] = home
        common = {"checkpoint": str(checkpoint.resolve()), "size": size, "steps": 1, "home": home}
        for counted in [False] + [True] * rounds:
            for title, who in STARTS.items():
                words = f"{one_picture.PROMPT}, {len(rows)}" if title != KNOWN else one_picture.PROMPT
                drawn = one_picture.measure(who, {**common, "prompt": words})
                rows.append({"who": title, "counted": counted, "first_step": round(drawn.first_step, 3)})
                print(rows[-1], flush=True)
    counted_rows = [row for row in rows if row["counted"]]
    for title in STARTS:
        _tell(title, [row["first_step"] for row in counted_rows if row["who"] == title])
    for title in (KNOWN, NEW):
        _tell_ratio(title, counted_rows)
    return rows


def _tell(title: str, times: list[float]) -> None:
    print(
        f"{title:20} median {statistics.median(times):.2f} s   fastest {min(times):.2f} s   slowest {max(times):.2f} s"
    )


def _tell_ratio(title: str, rows: list[dict[str, Any]]) -> None:
    own, peer = ([row["first_step"] for row in rows if row["who"] == who] for who in (title, OPTIMUM))
    ratio = statistics.median(a / b for a, b in zip(own, peer, strict=True))
    print(f"{title + ' : ' + OPTIMUM:20} median {ratio:.2f}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    if asked.checkpoint is None:
        windows(asked.rounds or 9)
        return
    rounds = asked.rounds or 3
    rows = first_steps(asked.checkpoint, asked.size, rounds)
    if asked.json is not None:
        told = results.command("benchmarks.launch", arguments)
        results.write(asked.json, "launch", command=told, rows=rows, settings={"size": asked.size, "rounds": rounds})


if __name__ == "__main__":
    main()
