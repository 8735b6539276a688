"""How long until the window is painted? Launches the application and, in turn, a bare PySide6 window as its peer.

    python -m benchmarks.launch [--rounds 9]

Each round starts both in fresh processes, one after the other (A B A B), and takes the time from before the process
starts to the first paint of the exposed window. Needs a display, or QT_QPA_PLATFORM=offscreen.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

_WATCH = """
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
    _WATCH
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
    _WATCH
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
    """Seconds from before the start of the process to its first paint."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for script in (APP, PEER):  # the first start of all reads from disk; it is not counted
        launch(script)
    pairs = [(launch(APP), launch(PEER)) for _ in range(rounds)]
    for title, times in (("SDXL Desktop", [a for a, _ in pairs]), ("bare PySide6 window", [b for _, b in pairs])):
        print(
            f"{title:20} median {statistics.median(times):.2f} s   "
            f"fastest {min(times):.2f} s   slowest {max(times):.2f} s"
        )
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{'ratio':20} median {ratio:.2f}   ({rounds} pairs)")


if __name__ == "__main__":
    main()
