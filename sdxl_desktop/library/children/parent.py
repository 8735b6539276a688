"""The parent's side of a job in a process of its own: starts the process, hears it, kills it on a cancel."""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sdxl_desktop.core import program, shortage
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.children import words

_SECONDS_BETWEEN_LOOKS = 0.05
_SECONDS_AFTER_THE_END = 2.0
"""How long words of a process that is gone may still be on their way."""
_LONGEST_LINE = 1 << 26
_TAIL = 2000
UNREADABLE = 76
"""What stands for the exit code of a process that was ended because it could not be understood."""

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

    `hear` is given each line that the child says, on this thread, and returns None while there is more to come, or
    raises UnreadableLineError. The child is killed when `cancel` is set, and whatever happens here. Raises the error
    that was its last word, what `child` has for one that was stopped, died or cannot be understood, and what else
    `hear` raises.
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
        unreadable = False
        with _Talk(process, job) as talk:
            try:
                last = _last_word(talk, hear, cancel)
            except words.UnreadableLineError:
                last, unreadable = None, True
        if last is not None and not isinstance(last, SdxlDesktopError):
            return last
        if cancel.is_set():
            raise child.stopped()
        if last is not None:
            raise last
        if unreadable:
            raise child.died(UNREADABLE, "What it said could not be read.")
        log.seek(0)
        raise child.died(process.returncode, _last_line(log.read()[-_TAIL:].decode(errors="replace")))


class _Talk:
    """Writes a process its job and reads its lines, each in a thread: it may be stuck, and another process that it
    started may hold its pipes open when it is gone. On leaving there is no process any more."""

    def __init__(self, process: subprocess.Popen[bytes], job: bytes) -> None:
        self._process = process
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._over = threading.Event()
        self._writer = threading.Thread(target=self._write, args=(job,), daemon=True, name="job")
        self._reader = threading.Thread(target=self._read, daemon=True, name="words")

    def __enter__(self) -> _Talk:
        self._writer.start()
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._process.kill()
        self._process.wait()
        for thread in (self._writer, self._reader):
            thread.join(_SECONDS_BETWEEN_LOOKS)
        if not self._writer.is_alive():  # else it closes the pipe itself, when it comes to an end
            self._close()

    def lines(self, cancel: threading.Event) -> Iterator[bytes]:
        """The whole lines that it says, until it is gone or `cancel` is set."""
        gone_at: float | None = None
        while not cancel.is_set():
            try:
                line = self._lines.get(timeout=_SECONDS_BETWEEN_LOOKS)
            except queue.Empty:
                if self._process.poll() is not None:
                    gone_at = gone_at or time.monotonic()
                    if time.monotonic() - gone_at > _SECONDS_AFTER_THE_END:
                        return
                continue
            if not line.endswith(b"\n"):  # the end, or it was killed in mid-word
                return
            yield line

    def _write(self, job: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it is gone already: how it ended says why
            self._process.stdin.write(job + b"\n")
            self._process.stdin.flush()
        if self._over.is_set():
            self._close()

    def _close(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # what it did not take of its job cannot be written any more
            self._process.stdin.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            with self._process.stdout as said:
                while line := said.readline(_LONGEST_LINE):
                    self._lines.put(line if len(line) < _LONGEST_LINE else b"too long\n")
        finally:
            self._lines.put(b"")


def _last_word(
    talk: _Talk, hear: Callable[[bytes], Word | SdxlDesktopError | None], cancel: threading.Event
) -> Word | SdxlDesktopError | None:
    """Pass on what is said; None where the process ended without a last word."""
    for line in talk.lines(cancel):
        last = hear(line)
        if last is not None:
            return last  # not waiting for the end of the process
    return None


def _last_line(said: str) -> str:
    return said.strip().splitlines()[-1] if said.strip() else ""


def why_it_died(code: int, said: str) -> str:
    """In words for people, why a child that computes ended with exit code `code` and `said` ("" for nothing) last."""
    if code == UNREADABLE:
        return said
    if code == shortage.EXIT_CODE:
        return "There was not enough memory."
    if code == -getattr(signal, "SIGKILL", 9):
        return "It was killed from outside, which happens when the computer runs out of memory."
    return f"It ended with exit code {code}. {said}".strip()
