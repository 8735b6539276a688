"""The engine process: a worker that receives commands, generates pictures and replies with events."""

from __future__ import annotations

import logging
import queue
import threading
from typing import assert_never

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.events import EngineEvent, Phase, Progress, RunFailed
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.run_log import format_request, prompts_extra
from sdxl_desktop.engine.engine_protocol import Emit, Engine, Pausing
from sdxl_desktop.engine.process.messages import (
    CancelAcknowledged,
    CancelCommand,
    DeviceListReply,
    EngineCommand,
    EngineReply,
    GenerateCommand,
    ListDevicesCommand,
    PauseCommand,
    RunDone,
    RunEvent,
    WarmUpCommand,
)
from sdxl_desktop.workers import worker_main
from sdxl_desktop.workers.worker_main import ApplicationConnection

log = logging.getLogger(__name__)


class EngineHost:
    """One engine, created on first use, that processes commands one after the other."""

    def __init__(self, application: ApplicationConnection, paths: AppPaths) -> None:
        self._application = application
        self._paths = paths
        self._waiting: queue.SimpleQueue[GenerateCommand | WarmUpCommand | ListDevicesCommand] = queue.SimpleQueue()
        self._cancels: dict[int, threading.Event] = {}
        self._pauses: dict[int, threading.Event] = {}
        self._engine: Engine | None = None

    def serve(self) -> None:
        """Process commands until the application closes the pipe. Cancel and pause act at once, others are queued."""
        self._application.listen(self._accept, EngineCommand)
        while True:
            self._work(self._waiting.get())

    def _accept(self, command: EngineCommand) -> None:
        match command:
            case CancelCommand(run):
                if run in self._cancels:
                    self._cancels[run].set()
                self._reply(CancelAcknowledged(run))
            case PauseCommand(run):
                if (pause := self._pauses.get(run)) is not None:
                    pause.set()
            case GenerateCommand() | WarmUpCommand() | ListDevicesCommand():
                self._cancels[command.run], self._pauses[command.run] = threading.Event(), threading.Event()
                self._waiting.put(command)
            case _:
                assert_never(command)

    def _work(self, command: GenerateCommand | WarmUpCommand | ListDevicesCommand) -> None:
        cancel = self._cancels[command.run]

        def emit(event: EngineEvent) -> None:
            self._reply(RunEvent(command.run, event))

        try:
            match command:
                case GenerateCommand(run, request, paused):
                    log.info("Run %d: %s", run, format_request(request), extra=prompts_extra(request))
                    pausing = Pausing(self._pauses[run], paused)
                    self._ready(command, emit).generate(request, emit, cancel, pausing)
                case WarmUpCommand(run, checkpoint, execution, speed):
                    self._ready(command, emit).warm_up(checkpoint, execution, speed, emit, cancel)
                    self._reply(RunDone(run))
                case ListDevicesCommand(run):
                    self._reply(DeviceListReply(run, _devices()))
                case _:
                    assert_never(command)
        except Exception as problem:  # the only catch-all around the engine
            log.exception("Run %s failed unexpectedly", command.run)
            emit(RunFailed.unexpected(problem))
        finally:
            self._cancels.pop(command.run, None)
            self._pauses.pop(command.run, None)

    def _ready(self, command: GenerateCommand | WarmUpCommand, emit: Emit) -> Engine:
        if self._engine is None:
            emit(Progress(phase=Phase.STARTING))
            self._engine = _make_engine(self._paths, command)
        return self._engine

    def _reply(self, answer: EngineReply) -> None:
        self._application.send(answer)


def _make_engine(paths: AppPaths, command: GenerateCommand | WarmUpCommand) -> Engine:
    from sdxl_desktop.engine.openvino import (
        part_compiler,
        precompile,  # openvino alone, without torch
    )

    compiler = part_compiler.create_compiler(paths)
    match command:
        case WarmUpCommand(_, checkpoint, execution, speed):
            precompile.precompile_unet(compiler, paths, checkpoint, execution, speed)
        case GenerateCommand(_, request, _) if uses_unmodified_unet(request):
            precompile.precompile_unet(compiler, paths, request.checkpoint, request.execution, request.sampling.speed)
    from sdxl_desktop.engine.openvino.engine import OpenVinoEngine  # the only place with the heavy imports

    return OpenVinoEngine(paths, compiler=compiler)


def uses_unmodified_unet(request: GenerationRequest) -> bool:
    """Whether the run starts with the checkpoint's unmodified UNet: it has no LoRAs and at least one step."""
    return not request.additions.loras and (request.start is None or request.start.step is not None)


def _devices() -> tuple[Device, ...]:
    from sdxl_desktop.engine.openvino import devices  # openvino alone, without torch

    return devices.available_devices()


def main() -> int:
    """Run the engine process; never returns, the process exits."""
    EngineHost(worker_main.connect(own_level=logging.INFO), AppPaths.from_environment()).serve()
    return 0
