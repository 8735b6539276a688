"""The application's side: an `Engine` that runs in a worker process, which can be killed at any time."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from pathlib import Path
from typing import BinaryIO, assert_never

import psutil

from sdxl_desktop.core import child_program, out_of_memory
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import EngineError, needs_engine_restart
from sdxl_desktop.core.events import (
    EngineEvent,
    Phase,
    PictureFinished,
    Preview,
    Progress,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunPaused,
)
from sdxl_desktop.core.paths import AppPaths, with_tilde
from sdxl_desktop.core.private_files import make_private_folder, open_private_append
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit, Pausing
from sdxl_desktop.engine.process.messages import (
    CancelAcknowledged,
    CancelCommand,
    DeviceListReply,
    EngineReply,
    GenerateCommand,
    ListDevicesCommand,
    PauseCommand,
    RunDone,
    RunEvent,
    WarmUpCommand,
)
from sdxl_desktop.workers.process import WorkerEnded, WorkerProcess, WorkerStartError, exit_reason

DEVICES_SECONDS = 30.0
"""Timeout for listing the devices: starting the process and initializing drivers take seconds."""
LOG_LIMIT = 1 << 20
CANCEL_GRACE_SECONDS = 0.6
"""Timeout in a phase that cannot poll for a cancel."""
UNACKNOWLEDGED_SECONDS = 3.0
"""Timeout without acknowledgement: a separate thread of the engine process receives the cancel during computation."""
ACKNOWLEDGED_SECONDS = 10.0
"""Timeout after acknowledgement. An inference ends between two layers or, on devices that cannot do that, with the
step."""
_STEPS = 2
_LONGEST_SECONDS = 90.0

_CANNOT_POLL = frozenset({Phase.STARTING, Phase.LOADING, Phase.COMPILING})


class ProcessEngine:
    """Generates in a child process that is started on first use and restarted after it died."""

    def __init__(self, paths: AppPaths) -> None:
        self._paths = paths
        self._runs = itertools.count(1)
        self._worker: WorkerProcess | None = None
        self._closed = False
        self._starting = threading.Lock()

    def generate(
        self, request: GenerationRequest, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None
    ) -> None:
        """See `Engine.generate`. If the child dies, the run ends with `RunFailed` and the next run starts a new one.

        A new one is also started after an engine error: after a lack of memory or a driver failure, loaded parts would
        fail again."""
        order = GenerateCommand(next(self._runs), request, None if pausing is None else pausing.paused)
        try:
            last = self._exchange(order, emit, cancel, None if pausing is None else pausing.requested)
        except MemoryError as problem:
            emit(RunFailed.unexpected(problem))
            return
        if isinstance(last, WorkerEnded):
            emit(RunCancelled() if cancel.is_set() or self._closed else RunFailed(self._crash_report(last)))
        elif isinstance(last, RunFailed) and self._worker is not None and needs_engine_restart(last.error):
            self._worker.end()

    def warm_up(
        self, checkpoint: Path, execution: Execution, speed: SpeedPreset, emit: Emit, cancel: CancelToken
    ) -> None:
        """See `Engine.warm_up`."""

        def progress_only(event: EngineEvent) -> None:
            if isinstance(event, Progress):
                emit(event)

        self._exchange(WarmUpCommand(next(self._runs), checkpoint, execution, speed), progress_only, cancel)

    def devices(self) -> tuple[Device, ...]:
        """Return the available devices; raises EngineError if the child does not reply."""
        limit = _TimeoutToken(DEVICES_SECONDS)
        last = self._exchange(ListDevicesCommand(next(self._runs)), lambda event: None, limit)
        if isinstance(last, DeviceListReply):
            return last.devices
        if isinstance(last, RunFailed):
            raise last.error
        if limit.is_set():
            raise EngineError(
                "The engine did not say which devices there are.",
                why=f"It did not answer for {DEVICES_SECONDS:.0f} seconds, which happens when a device driver hangs.",
                next_step="Try again: the engine is restarted. If it happens again, restart the computer.",
            )
        raise self._crash_report(last if isinstance(last, WorkerEnded) else WorkerEnded())

    def memory_bytes(self) -> int | None:
        """Return the child's resident memory, or None if there is no child."""
        worker = self._worker
        if worker is None or not worker.alive():
            return None
        try:
            return int(psutil.Process(worker.pid).memory_info().rss)
        except psutil.Error:
            return None

    @property
    def pid(self) -> int | None:
        """The child's process id, or None if there is no child."""
        worker = self._worker
        return worker.pid if worker is not None and worker.alive() else None

    def close(self) -> None:
        """Kill the child and start no new one. Safe to call twice and from another thread."""
        with self._starting:
            self._closed = True
            if self._worker is not None:
                self._worker.end()

    def _start(self) -> WorkerProcess | None:
        with self._starting:
            if self._closed:
                return None
            if self._worker is None or not self._worker.alive():
                if self._worker is not None:
                    self._worker.end()
                self._worker = _start(self._paths)
            return self._worker

    def _exchange(
        self,
        command: GenerateCommand | WarmUpCommand | ListDevicesCommand,
        emit: Emit,
        cancel: CancelToken,
        pause: CancelToken | None = None,
    ) -> EngineEvent | RunDone | DeviceListReply | WorkerEnded:
        """Send `order` and emit its events until the last message, which is returned (final events are emitted too).

        If a worker started earlier ends without any message about `order`, it died before receiving it; then the order
        is sent to a new worker. Raises MemoryError.
        """
        before = self._worker
        reported = threading.Event()

        def noting(event: EngineEvent) -> None:
            reported.set()
            emit(event)

        try:
            worker = self._start()
            last = WorkerEnded() if worker is None else self._run_command(worker, command, noting, cancel, pause)
            if not isinstance(last, WorkerEnded) or worker is not before or reported.is_set() or cancel.is_set():
                return last
            worker = self._start()
            return last if worker is None else self._run_command(worker, command, emit, cancel, pause)
        except WorkerStartError as problem:
            failed = RunFailed(problem)
            emit(failed)
            return failed

    def _run_command(
        self,
        worker: WorkerProcess,
        command: GenerateCommand | WarmUpCommand | ListDevicesCommand,
        emit: Emit,
        cancel: CancelToken,
        pause: CancelToken | None,
    ) -> EngineEvent | RunDone | DeviceListReply | WorkerEnded:
        worker.send(command)
        deadline, asked = CancelDeadline(), None
        while True:
            if pause is not None and pause.is_set():
                worker.send(PauseCommand(command.run))
                pause = None
            if asked is None and cancel.is_set():
                asked = time.monotonic()
                worker.send(CancelCommand(command.run))
            if asked is not None and deadline.is_over(time.monotonic() - asked):
                worker.end()
                return WorkerEnded()
            answer: EngineReply | WorkerEnded | None = worker.receive()
            if answer is None:
                continue
            if isinstance(answer, WorkerEnded):
                worker.end_after(answer)
                return answer
            if answer.run != command.run:  # a late message of an abandoned run
                continue
            if isinstance(answer, CancelAcknowledged):
                deadline.acknowledge()
                continue
            if not isinstance(answer, RunEvent):
                return answer
            deadline.update(answer.event)
            emit(answer.event)
            match answer.event:
                case Progress() | Preview() | PictureFinished():
                    pass
                case RunFinished() | RunPaused() | RunCancelled() | RunFailed():
                    return answer.event
                case _:
                    assert_never(answer.event)

    def _crash_report(self, ended: WorkerEnded) -> EngineError:
        code = self._worker.exit_code if self._worker is not None else None
        return EngineError(
            "The engine stopped unexpectedly.",
            why=ended.why or f"{exit_reason(code)} {_hint(code)}".strip(),
            next_step="Nothing you wrote is lost: press Generate to start it again. "
            f"The details are under Help, Open the log, and in {with_tilde(log_file(self._paths))}.",
        )


def _start(paths: AppPaths) -> WorkerProcess:
    with _log(paths) as log:
        return WorkerProcess(child_program.ENGINE_HOST, EngineReply, stderr=log)


class CancelDeadline:
    """The timeout after a cancel before the process is killed; it depends on the run's phase."""

    def __init__(self) -> None:
        self._phase = Phase.STARTING
        self._step_seconds = 0.0
        self._acknowledged = False

    def update(self, event: EngineEvent) -> None:
        """Record the run's phase and seconds per step."""
        if isinstance(event, Progress):
            self._phase = event.phase
            self._step_seconds = event.seconds_per_step or self._step_seconds

    def acknowledge(self) -> None:
        """Record that the engine process acknowledged the cancel."""
        self._acknowledged = True

    def is_over(self, seconds: float) -> bool:
        """Whether the timeout has passed, `seconds` after the cancel."""
        if self._phase in _CANNOT_POLL:
            return seconds > CANCEL_GRACE_SECONDS
        if not self._acknowledged:
            return seconds > UNACKNOWLEDGED_SECONDS
        return seconds > min(max(ACKNOWLEDGED_SECONDS, _STEPS * self._step_seconds), _LONGEST_SECONDS)


class _TimeoutToken:
    """A cancel token that is set after a number of seconds."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def is_set(self) -> bool:
        return time.monotonic() > self._end


def _hint(code: int | None) -> str:
    """Return a hint for the user on an exit code, in addition to `exit_reason`."""
    if code == out_of_memory.OUT_OF_MEMORY_EXIT_CODE:
        return "Close other programs, or choose a smaller size or checkpoint."
    if code is not None and code < 0 and code != -getattr(signal, "SIGKILL", 9):
        return "That is often a fault in a device driver."
    return ""


def log_file(paths: AppPaths) -> Path:
    """Return the engine process's error log file."""
    return paths.engine_log


def _log(paths: AppPaths) -> BinaryIO:
    """Open the log for appending; truncates it above `LOG_LIMIT` bytes, and returns the null device if it cannot be
    written."""
    file = log_file(paths)
    try:
        make_private_folder(file.parent, restrict_existing=True)
        return open_private_append(file, truncate=file.exists() and file.stat().st_size > LOG_LIMIT)
    except OSError:
        return open(os.devnull, "wb")
