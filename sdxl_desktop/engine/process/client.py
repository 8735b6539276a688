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
from pathlib import Path
from typing import BinaryIO, assert_never

import psutil

from sdxl_desktop.core import program
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.events import Cancelled, Drawn, Event, Failed, Finished, Phase, Preview, Progress
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.private_files import open_private, private_folder
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.process import messages
from sdxl_desktop.engine.process.messages import Cancel, DeviceList, Done, Generate, ListDevices, Order, Told, Warm
from sdxl_desktop.engine.protocol import CancelToken, Emit

POLL_SECONDS = 0.05
CANCEL_GRACE_SECONDS = 0.6
"""How long a phase that cannot poll for a cancel may go on before the process is killed."""
LOG_LIMIT = 1 << 20

_CANNOT_POLL = frozenset({Phase.STARTING, Phase.LOADING, Phase.COMPILING})


class _Gone:
    """The child process is over."""


class _Child:
    """One engine process and the thread that reads its answers."""

    def __init__(self, paths: AppPaths) -> None:
        self.answers: queue.SimpleQueue[Told | Done | DeviceList | _Gone] = queue.SimpleQueue()
        with _log(paths) as log:
            self.process = subprocess.Popen(
                program.command(program.ENGINE_HOST),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**program.environment(), "HF_HUB_OFFLINE": "1"},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._orders: BinaryIO = self.process.stdin  # type: ignore[assignment]
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), name="answers", daemon=True)
        self._reader.start()

    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, order: Order) -> None:
        """Send, unless the child is gone: then `answers` says so."""
        with contextlib.suppress(OSError):
            messages.write(self._orders, order)

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        with contextlib.suppress(OSError):
            self._orders.close()

    def _read(self, stream: BinaryIO) -> None:
        with stream:
            try:
                while True:
                    self.answers.put(messages.read(stream))
            except (EOFError, OSError):
                self.answers.put(_Gone())


class ProcessEngine:
    """Draws in a child process, started when first needed and again after it was lost."""

    def __init__(self, paths: AppPaths) -> None:
        self._paths = paths
        self._runs = itertools.count(1)
        self._child: _Child | None = None
        self._closed = False
        self._starting = threading.Lock()

    def generate(self, request: GenerationRequest, emit: Emit, cancel: CancelToken) -> None:
        """See `Engine.generate`. A child that dies ends the run in `Failed`; the next run starts a new one."""
        order = Generate(next(self._runs), request)
        last = self._converse(order, emit, cancel)
        if isinstance(last, _Gone):
            emit(Cancelled() if cancel.is_set() or self._closed else Failed(self._obituary()))

    def warm(self, checkpoint: Path, execution: Execution, speed: Speed, emit: Emit, cancel: CancelToken) -> None:
        """See `Engine.warm`."""

        def progress_only(event: Event) -> None:
            if isinstance(event, Progress):
                emit(event)

        self._converse(Warm(next(self._runs), checkpoint, execution, speed), progress_only, cancel)

    def devices(self) -> tuple[Device, ...]:
        """The devices there are; raises EngineError when the child cannot tell."""
        last = self._converse(ListDevices(next(self._runs)), lambda event: None, threading.Event())
        if isinstance(last, DeviceList):
            return last.devices
        if isinstance(last, Failed):
            raise last.error
        raise self._obituary()

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
        """Send `order` and pass its events on until the last word, which is returned (final events are emitted too)."""
        child = self._start()
        if child is None:
            return _Gone()
        child.send(order)
        phase, asked = Phase.STARTING, 0.0
        while True:
            if cancel.is_set() and not asked:
                asked = time.monotonic()
                child.send(Cancel(order.run))
            if asked and phase in _CANNOT_POLL and time.monotonic() - asked > CANCEL_GRACE_SECONDS:
                child.end()
                return _Gone()
            try:
                answer = child.answers.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(answer, _Gone):
                child.process.wait()
                return answer
            if answer.run != order.run:  # a late word of a run that was given up
                continue
            if not isinstance(answer, Told):
                return answer
            emit(answer.event)
            match answer.event:
                case Progress():
                    phase = answer.event.phase
                case Preview() | Drawn():
                    pass
                case Finished() | Cancelled() | Failed():
                    return answer.event
                case _:
                    assert_never(answer.event)

    def _obituary(self) -> EngineError:
        code = self._child.process.returncode if self._child is not None else None
        return EngineError(
            "The engine stopped unexpectedly.",
            why=_cause(code),
            next_step="Nothing you wrote is lost: press Generate to start it again. "
            f"The details are in {log_file(self._paths)}.",
        )


def _cause(code: int | None) -> str:
    if code is None:
        return ""
    if code == -getattr(signal, "SIGKILL", 9):
        return "It was killed from outside, which happens when the computer runs out of memory."
    if code < 0:
        return f"It crashed ({signal.Signals(-code).name}), often a fault in a device driver."
    return f"It ended with exit code {code}."


def log_file(paths: AppPaths) -> Path:
    """Where the engine process writes what went wrong."""
    return paths.logs / "engine.log"


def _log(paths: AppPaths) -> BinaryIO:
    """The log, opened for appending; begun anew when it has grown, and thrown away when it cannot be written."""
    file = log_file(paths)
    try:
        private_folder(file.parent, own=True)
        return open_private(file, anew=file.exists() and file.stat().st_size > LOG_LIMIT)
    except OSError:
        return open(os.devnull, "wb")
