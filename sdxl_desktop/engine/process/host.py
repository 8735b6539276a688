"""The engine process: takes orders from its standard input, draws, and answers on what was its standard output.

It ends as soon as the application is gone, whatever it is doing.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from typing import BinaryIO, assert_never

import psutil

from sdxl_desktop.core.app_log import log_to_stderr
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.events import Event, Failed, Phase, Progress
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.run_log import prompts_extra, run_words
from sdxl_desktop.engine.process import messages
from sdxl_desktop.engine.process.messages import (
    Acknowledged,
    Answer,
    Cancel,
    DeviceList,
    Done,
    Generate,
    ListDevices,
    Order,
    Told,
    Warm,
)
from sdxl_desktop.engine.protocol import Emit, Engine

log = logging.getLogger(__name__)

NICENESS = 5


class Host:
    """One engine, made when it is first needed, working orders off one after the other."""

    def __init__(self, orders: BinaryIO, answers: BinaryIO, paths: AppPaths) -> None:
        self._orders = orders
        self._answers = answers
        self._paths = paths
        self._sending = threading.Lock()
        self._waiting: queue.SimpleQueue[Generate | Warm | ListDevices] = queue.SimpleQueue()
        self._cancels: dict[int, threading.Event] = {}
        self._engine: Engine | None = None

    def serve(self) -> None:
        """Work until the application closes the pipe."""
        threading.Thread(target=self._listen, name="orders", daemon=True).start()
        while True:
            self._work(self._waiting.get())

    def _listen(self) -> None:
        """Take orders; a cancel acts at once, the rest wait their turn. The process ends with the pipe."""
        try:
            while True:
                self._accept(messages.read(self._orders, Order))
        except (EOFError, OSError):
            os._exit(0)
        except BaseException:  # whatever ends this thread, nobody would hear the application any more
            try:
                log.exception("An order could not be read")
            finally:
                os._exit(messages.UNREADABLE)

    def _accept(self, order: Order) -> None:
        match order:
            case Cancel(run):
                if run in self._cancels:
                    self._cancels[run].set()
                self._answer(Acknowledged(run))
            case Generate() | Warm() | ListDevices():
                self._cancels[order.run] = threading.Event()
                self._waiting.put(order)
            case _:
                assert_never(order)

    def _work(self, order: Generate | Warm | ListDevices) -> None:
        cancel = self._cancels[order.run]

        def emit(event: Event) -> None:
            self._answer(Told(order.run, event))

        try:
            match order:
                case Generate(run, request):
                    log.info("Run %d: %s", run, run_words(request), extra=prompts_extra(request))
                    self._ready(order, emit).generate(request, emit, cancel)
                case Warm(run, checkpoint, execution, speed):
                    self._ready(order, emit).warm(checkpoint, execution, speed, emit, cancel)
                    self._answer(Done(run))
                case ListDevices(run):
                    self._answer(DeviceList(run, _devices()))
                case _:
                    assert_never(order)
        except Exception as problem:  # the one net under everything the engine runs
            log.exception("Run %s failed unexpectedly", order.run)
            emit(Failed.unexpected(problem))
        finally:
            self._cancels.pop(order.run, None)

    def _ready(self, order: Generate | Warm, emit: Emit) -> Engine:
        if self._engine is None:
            emit(Progress(phase=Phase.STARTING))
            self._engine = _make_engine(self._paths, order)
        return self._engine

    def _answer(self, answer: Answer) -> None:
        try:
            with self._sending:
                messages.write(self._answers, answer)
        except OSError:
            os._exit(0)


def _make_engine(paths: AppPaths, order: Generate | Warm) -> Engine:
    from sdxl_desktop.engine.openvino import ahead, parts  # openvino alone, without torch

    compiler = parts.compiler_for(paths)
    match order:
        case Warm(_, checkpoint, execution, speed):
            ahead.begin(compiler, paths, checkpoint, execution, speed)
        case Generate(_, request) if _wants_plain_unet(request):
            ahead.begin(compiler, paths, request.checkpoint, request.execution, request.sampling.speed)
    from sdxl_desktop.engine.openvino.engine import OpenVinoEngine  # the one door to the heavy imports

    return OpenVinoEngine(paths, compiler=compiler)


def _wants_plain_unet(request: GenerationRequest) -> bool:
    """Whether drawing it begins with the UNet as it lies in the checkpoint: without LoRAs, and with steps to take."""
    return not request.additions.loras and (request.start is None or request.start.step is not None)


def _devices() -> tuple[Device, ...]:
    from sdxl_desktop.engine.openvino import devices  # openvino alone, without torch

    return devices.available()


def main() -> int:
    """Run the engine process; returns only by ending the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is the application's to answer
    log_to_stderr(logging.WARNING, own=logging.INFO)
    _stand_back()
    orders, answers = _private_pipes()
    Host(orders, answers, AppPaths.from_environment()).serve()
    return 0


def _stand_back() -> None:
    """Let the window have a core whenever it wants one, so that a brush stays smooth while all of them draw."""
    lower = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICENESS
    with suppress(psutil.Error, OSError):
        psutil.Process().nice(lower)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two ends of the pipe, moved away from 0 and 1 so that no library can read or print into them."""
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (0, 1):
            msvcrt.setmode(descriptor, os.O_BINARY)
    orders, answers = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return open(orders, "rb"), open(answers, "wb")
