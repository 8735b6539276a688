"""Measures the parts of a checkpoint on every device, one at a time, and compiles them ahead of being needed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.device import needs_fixed_shapes
from sdxl_desktop.core.errors import DeviceError, EngineError
from sdxl_desktop.core.events import Event, Phase, Progress
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import Speed, SpeedPlan
from sdxl_desktop.engine.compile_key import CompileTimes
from sdxl_desktop.engine.compiled_store import CompiledStore
from sdxl_desktop.engine.device_times import DeviceTable, PartOnDevice, table_file
from sdxl_desktop.engine.openvino import static
from sdxl_desktop.engine.openvino.compiled import CompiledParts
from sdxl_desktop.engine.openvino.interrupt import Interrupt, Interrupted
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.openvino.parts import compiler_for
from sdxl_desktop.engine.openvino.placement import Placement
from sdxl_desktop.engine.openvino.shelf import Shelf
from sdxl_desktop.engine.protocol import CancelToken, Emit
from sdxl_desktop.engine.workbench import Prepared, StoppedError

_GUIDED: Mapping[str, int] = {Part.UNET: 2}
"""Rows of a call; others have one. A guided step asks the UNet twice at once."""
_MOST_CALLS, _ENOUGH_SECONDS = 5, 3.0
_TIMESTEP = 500.0


class OpenVinoWorkbench:
    """A `Workbench` in this process."""

    def __init__(self, paths: AppPaths) -> None:
        self._interrupt = Interrupt()
        self._store = CompiledStore(paths.compiled)
        self._compiled = CompiledParts(
            compiler_for(paths),
            CompileTimes(paths.cache / "compile-times.json"),
            self._interrupt,
        )
        self._placement = Placement(self._compiled, table_file(paths))
        self._shelf = Shelf(paths, self._interrupt)

    def measure(
        self,
        checkpoint: Path,
        size: Size,
        devices: Sequence[str],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> DeviceTable:
        """See `Workbench.measure`."""
        with self._cancelled_by(cancel):
            loaded = self._shelf.take(checkpoint, Additions(), emit)
            loaded.check_size(size)
            pairs = [(part, device) for part in loaded.contents for device in devices]
            rows = []
            for number, (part, device) in enumerate(pairs):
                emit(_measuring(part, device, number, len(pairs)))
                on_one = Execution(device=device, threads=execution.threads, precision=execution.precision_on(device))
                rows.append(self._measured(loaded, part, size, on_one))
            return DeviceTable(
                checkpoint=checkpoint.name, size=str(size), precision=execution.precision, rows=tuple(rows)
            )

    def prepare(
        self,
        checkpoint: Path,
        sizes: Sequence[Size],
        speeds: Sequence[Speed],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> Prepared:
        """See `Workbench.prepare`."""
        with self._cancelled_by(cancel):
            loaded = self._shelf.take(checkpoint, Additions(), emit)
            for size in sizes:
                loaded.check_size(size)
            started, before = time.perf_counter(), self._there()
            forms = {0 if plan.caching is None else plan.caching.depth: plan.caching for plan in _plans(speeds)}
            execution = self._placement.resolved(execution)
            for caching in forms.values():
                for size in sizes:
                    self._placement.place(
                        [(loaded, tuple(loaded.contents))], execution, caching, emit, size, complete=True
                    )
            self._let_go(emit)
            made = tuple(entry for entry in self._store.entries() if entry.folder not in before)
            fixed = any(needs_fixed_shapes(device) for device in execution.devices)
            return Prepared(made, time.perf_counter() - started, fixed, kept=not self._compiled.not_kept)

    def close(self) -> None:
        self._compiled.keep_only(())
        self._shelf.keep_only(())

    @contextmanager
    def _cancelled_by(self, cancel: CancelToken) -> Iterator[None]:
        self._interrupt.token = cancel
        try:
            yield
        except Interrupted:
            raise StoppedError from None

    def _there(self) -> set[Path]:
        return {entry.folder for entry in self._store.entries()}

    def _let_go(self, emit: Emit) -> None:
        self._placement.place([], Execution(), None, emit)

    def _measured(self, loaded: LoadedCheckpoint, part: str, size: Size, execution: Execution) -> PartOnDevice:
        """One part on one device, with nothing else in memory."""
        self._interrupt.check()
        device, before = execution.device, self._there()
        given = inputs_for(loaded, part, size)
        started = time.perf_counter()
        try:
            execution = self._placement.resolved(execution)
            self._placement.place([(loaded, (part,))], execution, None, _quietly, size, complete=True)
            request = loaded.pipe.networks[part].request
            request(given)
            first = time.perf_counter() - started
            milliseconds = _milliseconds(request, given)
        except (EngineError, DeviceError) as problem:
            return PartOnDevice(part=part, device=device, problem=problem.why or str(problem))
        finally:
            self._let_go(_quietly)
        made = any(entry.part == part for entry in self._store.entries() if entry.folder not in before)
        return PartOnDevice(
            part=part,
            device=device,
            milliseconds=round(milliseconds, 3),
            first_seconds=round(first, 3),
            compiled=made,
        )


def inputs_for(loaded: LoadedCheckpoint, part: str, size: Size) -> dict[str, Any]:
    """Inputs as a guided step at `size` has them, by name; noise where it does not matter."""
    random = np.random.default_rng(0)
    ports = static.ports_of(loaded.pipe.networks[part].model)
    given = {}
    for name, shape in static.shapes_for(part, ports, size, loaded.vae_factor).items():
        shape = (_GUIDED.get(part, 1), *shape[1:])
        kind = next(port.kind for port in ports if port.name == name)
        if name == "timestep":
            values = np.full(shape, _TIMESTEP)
        elif np.issubdtype(kind, np.integer):
            values = np.ones(shape)
        else:
            values = random.standard_normal(shape)
        given[name] = values.astype(kind)
    return given


def _quietly(_: Event) -> None:
    """Each part on each device is a step; what happens within one is not told."""


def _plans(speeds: Sequence[Speed]) -> list[SpeedPlan]:
    return [speed.plan for speed in speeds]


def _milliseconds(request: Any, given: dict[str, Any]) -> float:
    """Of a call: the median of a few, of one where it is slow."""
    taken: list[float] = []
    while len(taken) < _MOST_CALLS and sum(taken) < _ENOUGH_SECONDS:
        started = time.perf_counter()
        request(given)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def _measuring(part: str, device: str, number: int, total: int) -> Progress:
    detail = f"{part} on {device}"
    return Progress(phase=Phase.COMPILING, step=number + 1, total=total, fraction=number / total, detail=detail)
