"""The application's end: an `Engine` whose work happens in a child process that can be killed at any moment."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, assert_never

import psutil

from sdxl_desktop.core import program, shortage
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import EngineError, may_have_left_harm
from sdxl_desktop.core.events import Cancelled, Drawn, Event, Failed, Finished, Preview, Progress
from sdxl_desktop.core.paths import AppPaths, with_tilde
from sdxl_desktop.core.private_files import open_private, private_folder
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.process import messages
from sdxl_desktop.engine.process.messages import (
    Acknowledged,
    Cancel,
    DeviceList,
    Done,
    Generate,
    ListDevices,
    Order,
    Told,
    Warm,
)
from sdxl_desktop.engine.process.patience import Patience
from sdxl_desktop.engine.protocol import CancelToken, Emit

POLL_SECONDS = 0.05
DEVICES_SECONDS = 30.0
"""How long the engine process may take to name the devices: starting, and drivers that wake up, take seconds."""
END_SECONDS = 5.0
"""How long a process that was killed is waited for: one that hangs in a driver does not even end then."""
STALLED_SECONDS = 30.0
"""How long nothing may come in the middle of a message."""
LOG_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class _Gone:
    """The child process is over, or of no more use: `why` is "" where its exit code says it."""

    why: str = ""


_Answer = Told | Done | DeviceList | Acknowledged | _Gone


class _Child:
    """One engine process, a thread that reads its answers and one that writes its orders, which blocks while it is
    stuck."""

    def __init__(self, paths: AppPaths) -> None:
        # not a SimpleQueue: with a signal at the wrong moment its timed get() waits for ever (Python 3.11)
        self.answers: queue.Queue[_Answer] = queue.Queue()
        with _log(paths) as log:
            self.process = subprocess.Popen(
                program.command(program.ENGINE_HOST),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**program.environment(), "HF_HUB_OFFLINE": "1"},
                cwd=program.folder(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        self._frames: queue.SimpleQueue[bytes | memoryview | None] = queue.SimpleQueue()
        self._arrived: float | None = None
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), name="answers", daemon=True)
        self._writer = threading.Thread(target=self._write, args=(self.process.stdin,), name="orders", daemon=True)
        self._reader.start()
        self._writer.start()

    def alive(self) -> bool:
        """Whether it can be given orders, as far as is known."""
        return self._reader.is_alive() and self.process.poll() is None

    @property
    def stalled(self) -> bool:
        """Whether it stopped in the middle of a message."""
        arrived = self._arrived
        return arrived is not None and time.monotonic() - arrived > STALLED_SECONDS

    def send(self, order: Order) -> None:
        """Send, unless the child is gone: then `answers` says so. Raises MemoryError."""
        self._frames.put(messages.pack(order))

    def end(self, *, wait_first: float = 0.0) -> None:
        """Kill it, and wait until it is gone; first give it `wait_first` seconds to end by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(wait_first)
        self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        self._frames.put(None)
        for thread in (self._reader, self._writer):
            thread.join(END_SECONDS)

    def _read(self, stream: BinaryIO) -> None:
        why = "Its answers could not be read."
        try:
            with stream:
                while True:
                    self.answers.put(messages.read(stream, Told | Done | DeviceList | Acknowledged, self._note))
        except (EOFError, OSError):
            why = ""
        except messages.UnreadableError as problem:
            why = f"Its answer could not be read. {problem}"
        finally:  # whatever ends this thread, nobody may wait for more
            self.answers.put(_Gone(why))

    def _note(self, begun: bool) -> None:
        self._arrived = time.monotonic() if begun else None

    def _write(self, stream: BinaryIO) -> None:
        with contextlib.suppress(OSError), stream:
            while (frame := self._frames.get()) is not None:
                messages.send(stream, frame)


class ProcessEngine:
    """Draws in a child process, started when first needed and again after it was lost."""

    def __init__(self, paths: AppPaths) -> None:
        self._paths = paths
        self._runs = itertools.count(1)
        self._child: _Child | None = None
        self._closed = False
        self._starting = threading.Lock()

    def generate(self, request: GenerationRequest, emit: Emit, cancel: CancelToken) -> None:
        """See `Engine.generate`. A child that dies ends the run in `Failed`; the next run starts a new one, as it does
        after a failure of the engine: memory that was short, or a driver that failed, leaves parts that fail again."""
        order = Generate(next(self._runs), request)
        try:
            last = self._converse(order, emit, cancel)
        except MemoryError as problem:
            emit(Failed.unexpected(problem))
            return
        if isinstance(last, _Gone):
            emit(Cancelled() if cancel.is_set() or self._closed else Failed(self._obituary(last)))
        elif isinstance(last, Failed) and self._child is not None and may_have_left_harm(last.error):
            self._child.end()

    def warm(self, checkpoint: Path, execution: Execution, speed: Speed, emit: Emit, cancel: CancelToken) -> None:
        """See `Engine.warm`."""

        def progress_only(event: Event) -> None:
            if isinstance(event, Progress):
                emit(event)

        self._converse(Warm(next(self._runs), checkpoint, execution, speed), progress_only, cancel)

    def devices(self) -> tuple[Device, ...]:
        """The devices there are; raises EngineError when the child cannot tell."""
        limit = _Within(DEVICES_SECONDS)
        last = self._converse(ListDevices(next(self._runs)), lambda event: None, limit)
        if isinstance(last, DeviceList):
            return last.devices
        if isinstance(last, Failed):
            raise last.error
        if limit.is_set():
            raise EngineError(
                "The engine did not say which devices there are.",
                why=f"It did not answer for {DEVICES_SECONDS:.0f} seconds, which happens when a device driver hangs.",
                next_step="Ask again: it is started anew. If it happens again, restart the computer.",
            )
        raise self._obituary(last if isinstance(last, _Gone) else _Gone())

    def memory_bytes(self) -> int | None:
        """Resident memory of the child, or None when there is none."""
        child = self._child
        if child is None or not child.alive():
            return None
        try:
            return int(psutil.Process(child.process.pid).memory_info().rss)
        except psutil.Error:
            return None

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        child = self._child
        return child.process.pid if child is not None and child.alive() else None

    def close(self) -> None:
        """Kill the child, for good. Safe to call twice and from another thread."""
        with self._starting:
            self._closed = True
            if self._child is not None:
                self._child.end()

    def _start(self) -> _Child | None:
        with self._starting:
            if self._closed:
                return None
            if self._child is None or not self._child.alive():
                if self._child is not None:
                    self._child.end()
                self._child = _Child(self._paths)
            return self._child

    def _converse(
        self, order: Generate | Warm | ListDevices, emit: Emit, cancel: CancelToken
    ) -> Event | Done | DeviceList | _Gone:
        """Send `order` and pass its events on until the last word, which is returned (final events are emitted too).

        A child that was there before and goes without a word about the order had died, or was dying, before it came:
        then another one gets it. Raises MemoryError.
        """
        before = self._child
        child = self._start()
        if child is None:
            return _Gone()
        told = threading.Event()

        def noting(event: Event) -> None:
            told.set()
            emit(event)

        last = self._ask(child, order, noting, cancel)
        if not isinstance(last, _Gone) or child is not before or told.is_set() or cancel.is_set():
            return last
        child = self._start()
        return last if child is None else self._ask(child, order, emit, cancel)

    def _ask(
        self, child: _Child, order: Generate | Warm | ListDevices, emit: Emit, cancel: CancelToken
    ) -> Event | Done | DeviceList | _Gone:
        child.send(order)
        patience, asked = Patience(), None
        while True:
            if asked is None and cancel.is_set():
                asked = time.monotonic()
                child.send(Cancel(order.run))
            if asked is not None and patience.is_over(time.monotonic() - asked):
                child.end()
                return _Gone()
            if child.stalled:
                child.end()
                return _Gone("It stopped in the middle of an answer.")
            try:
                answer = child.answers.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(answer, _Gone):
                child.end(wait_first=0.0 if answer.why else END_SECONDS)
                return answer
            if answer.run != order.run:  # a late word of a run that was given up
                continue
            if isinstance(answer, Acknowledged):
                patience.heard()
                continue
            if not isinstance(answer, Told):
                return answer
            patience.follow(answer.event)
            emit(answer.event)
            match answer.event:
                case Progress() | Preview() | Drawn():
                    pass
                case Finished() | Cancelled() | Failed():
                    return answer.event
                case _:
                    assert_never(answer.event)

    def _obituary(self, gone: _Gone) -> EngineError:
        code = self._child.process.returncode if self._child is not None else None
        return EngineError(
            "The engine stopped unexpectedly.",
            why=gone.why or _cause(code),
            next_step="Nothing you wrote is lost: press Generate to start it again. "
            f"The details are under Help, Open the log, and in {with_tilde(log_file(self._paths))}.",
        )


class _Within:
    """A cancel token that is set when its seconds are over."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def is_set(self) -> bool:
        return time.monotonic() > self._end


def _cause(code: int | None) -> str:
    if code is None:
        return ""
    if code == -getattr(signal, "SIGKILL", 9):
        return "It was killed from outside, which happens when the computer runs out of memory."
    if code < 0:
        return f"It crashed ({signal.Signals(-code).name}), often a fault in a device driver."
    if code == shortage.EXIT_CODE:
        return "There was not enough memory. Close other programs, or choose a smaller size or checkpoint."
    if code == messages.UNREADABLE:
        return "It could not read what it was asked for, which happens when there is not enough memory for the picture."
    return f"It ended with exit code {code}."


def log_file(paths: AppPaths) -> Path:
    """Where the engine process writes what went wrong."""
    return paths.engine_log


def _log(paths: AppPaths) -> BinaryIO:
    """The log, opened for appending; begun anew when it has grown, and thrown away when it cannot be written."""
    file = log_file(paths)
    try:
        private_folder(file.parent, own=True)
        return open_private(file, anew=file.exists() and file.stat().st_size > LOG_LIMIT)
    except OSError:
        return open(os.devnull, "wb")
