"""What the processes of imports and downloads have in common for the one that started them."""

from __future__ import annotations

import subprocess
import threading


def kill_on(
    cancel: threading.Event, over: threading.Event, process: subprocess.Popen[str] | subprocess.Popen[bytes]
) -> None:
    """Kill `process` when `cancel` is set, unless it is `over` before; for a thread of its own."""
    while not over.is_set():
        if cancel.wait(0.05):
            process.kill()
            return
