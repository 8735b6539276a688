"""The parent's side of a job in a process of its own: starts the process, hears it, kills it on a cancel."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sdxl_desktop.core import program
from sdxl_desktop.core.errors import SdxlDesktopError

_SECONDS_BETWEEN_LOOKS = 0.05
_TAIL = 2000

Word = TypeVar("Word")
"""What a child says last when it has done its job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One kind of child, and how it ends badly.

    `host` is the program's argument that starts it, with what `environment()` gives. `stopped()` is raised where the
    person stopped it, `died(code, said)` where it ended without a last word: by its exit code, and the last line that
    it left on standard error ("" for none).
    """

    host: str
    stopped: Callable[[], SdxlDesktopError]
    died: Callable[[int, str], SdxlDesktopError]
    environment: Callable[[], Mapping[str, str]] = program.environment


def converse(
    child: Child, job: bytes, hear: Callable[[bytes], Word | SdxlDesktopError | None], cancel: threading.Event
) -> Word:
    """Start a `child`, hand it the line `job`, and return its last word. Blocks for as long as it takes.

    `hear` is given each line that the child says, on this thread, and returns None while there is more to come. The
    child is killed when `cancel` is set, and whatever happens here. Raises the error that was its last word, what
    `child` has for one that was stopped or died, and what `hear` raises.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            program.command(child.host),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=child.environment(),
            cwd=program.folder(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        with _ended_with_this(process, cancel):
            last = _last_word(process, job, hear)
        if last is not None and not isinstance(last, SdxlDesktopError):
            return last
        if cancel.is_set():
            raise child.stopped()
        if last is not None:
            raise last
        log.seek(0)
        raise child.died(process.returncode, _last_line(log.read()[-_TAIL:].decode(errors="replace")))


@contextlib.contextmanager
def _ended_with_this(process: subprocess.Popen[bytes], cancel: threading.Event) -> Iterator[None]:
    """Within it `process` is killed when `cancel` is set; after it there is none."""
    over = threading.Event()
    watch = threading.Thread(target=_kill_on, args=(cancel, over, process), daemon=True, name="cancel")
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it did not take of its job cannot be written any more
                    pipe.close()
        process.wait()


def _kill_on(cancel: threading.Event, over: threading.Event, process: subprocess.Popen[bytes]) -> None:
    while not over.is_set():
        if cancel.wait(_SECONDS_BETWEEN_LOOKS):
            process.kill()
            return


def _last_word(
    process: subprocess.Popen[bytes], job: bytes, hear: Callable[[bytes], Word | SdxlDesktopError | None]
) -> Word | SdxlDesktopError | None:
    """Hand over the job and pass on what is said about it; None where the process ended without a last word."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):  # it is gone already: how it ended says why
        process.stdin.write(job + b"\n")
        process.stdin.flush()
    for line in process.stdout:
        last = hear(line) if line.endswith(b"\n") else None  # else it was killed in mid-word
        if last is not None:
            return last  # not waiting for the end: a process that it started may hold the pipe open still
    return None


def _last_line(said: str) -> str:
    return said.strip().splitlines()[-1] if said.strip() else ""


def why_it_died(code: int, said: str) -> str:
    """In words for people, why a child that computes ended with exit code `code` and `said` ("" for nothing) last."""
    if code == -getattr(signal, "SIGKILL", 9):
        return "It was killed from outside, which happens when the computer runs out of memory."
    return f"It ended with exit code {code}. {said}".strip()
