"""Runs the command line with fake entry points."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdxl_desktop.cli import run
from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import DeviceError
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.engine_protocol import Engine
from sdxl_desktop.engine.fake_engine import FakeEngine
from tests.unit.library.test_scan import make_checkpoint


@dataclass
class FakeEntryPoints:
    """Records what was opened, and holds the answer of each entry point."""

    engine: Any = field(default_factory=FakeEngine)
    workbench: Any = None
    no_window: str = ""
    opened: list[str] = field(default_factory=list)
    windows: list[tuple[str | None, list[Path | str]]] = field(default_factory=list)
    new_windows: int = 0
    left_with: list[int] = field(default_factory=list)

    def entry_points(self) -> EntryPoints:
        return EntryPoints(
            paths=AppPaths.from_environment,
            engine=self._engine,
            device_benchmark=lambda paths: self._record_use("workbench", self.workbench),
            devices=lambda: self._record_use("devices", (Device("CPU", "A processor"), Device("GPU", "A card"))),
            device=self._device,
            window=self._window,
            why_no_window=lambda: self.no_window,
            exit_process=self.left_with.append,
        )

    def _record_use(self, room: str, answer: Any) -> Any:
        self.opened.append(room)
        return answer

    def _engine(self, paths: AppPaths) -> Engine:
        made: Engine = self._record_use("engine", self.engine)
        return made

    def _device(self, name: str) -> str:
        if name.upper() not in ("CPU", "GPU"):
            raise DeviceError(f"There is no device {name!r}.", next_step="Choose CPU or GPU.")
        return str(self._record_use("devices", name.upper()))

    def _window(self, paths: AppPaths, prompt: str | None, files: Sequence[Path | str], *, new_window: bool) -> int:
        self.windows.append((prompt, list(files)))
        self.new_windows += new_window
        return 0


def own_checkpoint(home: Path, name: str = "mine", **card: Any) -> Path:
    """A checkpoint for a fake engine, in the user's own folder."""
    small = {"steps": 3, "guidance_scale": 4.5, "scheduler": "heun", **card}
    return make_checkpoint(home / "data" / "checkpoints" / name, unet={"sample_size": 8}, card=small)


RunCommand = Callable[..., int]


def run_command(rooms: FakeEntryPoints, *arguments: str) -> int:
    """Run the command line with `arguments`."""
    return run(arguments, rooms.entry_points())


@contextmanager
def press_ctrl_c_when_caught() -> Iterator[None]:
    """Within it this process finds itself interrupted, a moment after a command has begun to listen for that, which
    takes nobody knows how long.

    Python is told of a SIGINT, and the system sends none: it would come to any of the threads that libraries have
    started in a process of many tests, of which one has ended with it. Real ones are sent to processes of their own.
    """
    over = threading.Event()

    def nothing(number: int, frame: object) -> None:
        pass

    def press() -> None:
        while not over.wait(0.01):
            if signal.getsignal(signal.SIGINT) is not nothing:
                over.wait(0.1)
                _thread.interrupt_main(signal.SIGINT)
                return

    before = signal.signal(signal.SIGINT, nothing)
    presser = threading.Thread(target=press, daemon=True)
    presser.start()
    try:
        yield
    finally:
        over.set()
        presser.join()
        signal.signal(signal.SIGINT, before)
