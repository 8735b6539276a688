"""The child's side of a job in a process of its own: takes the job, keeps its voice to itself, ends when it should."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO, NoReturn

from sdxl_desktop.core.app_log import log_to_stderr
from sdxl_desktop.core.errors import SdxlDesktopError


def begin() -> tuple[bytes, BinaryIO]:
    """Make this process a child; returns the line that is its job, and where it may speak to its parent.

    From then on it ends as soon as the parent is gone.
    """
    log_to_stderr(logging.ERROR)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches it too; what becomes of it, the parent says
    out = _private_output()
    job = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_the_parent, daemon=True, name="parent").start()
    return job, out


def end(code: int, out: BinaryIO) -> NoReturn:
    """End at once: what torch and OpenVINO hold is let go by the system, instead of piece by piece."""
    out.flush()
    os._exit(code)


def say(line: bytes, out: BinaryIO) -> None:
    """Tell the parent a whole line."""
    out.write(line)
    out.flush()


def caught(
    work: Callable[[], None],
    tell: Callable[[SdxlDesktopError], None],
    unexpected: Callable[[Exception], SdxlDesktopError],
) -> int:
    """Do `work`, tell what went wrong, and return the exit code. The last net under everything that libraries raise:
    `unexpected` puts that in words."""
    try:
        work()
    except SdxlDesktopError as problem:
        tell(problem)
        return 1
    except Exception as problem:
        logging.getLogger(__name__).exception("The job failed unexpectedly")
        tell(unexpected(problem))
        return 1
    return 0


def _private_output() -> BinaryIO:
    """What was standard output, where no library can print any more."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "wb")


def _end_with_the_parent() -> None:
    sys.stdin.buffer.read()  # returns when the pipe is closed, whatever the reason
    os._exit(0)
