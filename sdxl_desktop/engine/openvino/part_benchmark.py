"""Measures the parts of a checkpoint on every device, one at a time, and compiles them ahead of use."""

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
from sdxl_desktop.core.events import EngineEvent, Phase, Progress
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import SpeedPlan, SpeedPreset
from sdxl_desktop.engine.compile_cache import CompileCache
from sdxl_desktop.engine.compile_key import CompileTimes
from sdxl_desktop.engine.device_benchmark import BenchmarkCancelledError, PrecompileResult
from sdxl_desktop.engine.device_times import DeviceTimings, PartTiming, timings_file
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit
from sdxl_desktop.engine.openvino import fixed_shapes
from sdxl_desktop.engine.openvino.checkpoint_cache import CheckpointCache
from sdxl_desktop.engine.openvino.compiled_models import CompiledModels
from sdxl_desktop.engine.openvino.infer_requests import InferRequestCache
from sdxl_desktop.engine.openvino.interruptible_request import Interrupt, Interrupted
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from sdxl_desktop.engine.openvino.part_compiler import create_compiler

_BATCH_BY_PART: Mapping[str, int] = {Part.UNET: 2}
"""Batch size of a call; 1 for other parts. A guided step calls the UNet with two rows."""
_MAX_CALLS, _MAX_SECONDS = 5, 3.0
_TIMESTEP = 500.0


class OpenVinoDeviceBenchmark:
    """A `DeviceBenchmark` in this process."""

    def __init__(self, paths: AppPaths) -> None:
        self._interrupt = Interrupt()
        self._compile_cache = CompileCache(paths.compiled)
        self._requests = InferRequestCache(
            create_compiler(paths),
            CompileTimes(paths.cache / "compile-times.json"),
            self._interrupt,
        )
        self._compiled_models = CompiledModels(self._requests, timings_file(paths))
        self._checkpoints = CheckpointCache(paths, self._interrupt)

    def measure(
        self,
        checkpoint: Path,
        size: Size,
        devices: Sequence[str],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> DeviceTimings:
        """See `DeviceBenchmark.measure`."""
        with self._cancelled_by(cancel):
            loaded = self._checkpoints.load(checkpoint, Additions(), emit)
            loaded.check_size(size)
            pairs = [(part, device) for part in loaded.content_ids for device in devices]
            rows = []
            for number, (part, device) in enumerate(pairs):
                emit(_measuring_progress(part, device, number, len(pairs)))
                on_one = Execution(device=device, threads=execution.threads, precision=execution.precision_on(device))
                rows.append(self._measure_part(loaded, part, size, on_one))
            return DeviceTimings(
                checkpoint=checkpoint.name, size=str(size), precision=execution.precision, rows=tuple(rows)
            )

    def precompile(
        self,
        checkpoint: Path,
        sizes: Sequence[Size],
        speeds: Sequence[SpeedPreset],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> PrecompileResult:
        """See `DeviceBenchmark.precompile`."""
        with self._cancelled_by(cancel):
            loaded = self._checkpoints.load(checkpoint, Additions(), emit)
            for size in sizes:
                loaded.check_size(size)
            started, before = time.perf_counter(), self._cached_folders()
            forms = {
                0 if plan.step_caching is None else plan.step_caching.depth: plan.step_caching
                for plan in _speed_plans(speeds)
            }
            execution = self._compiled_models.resolve_devices(execution)
            for caching in forms.values():
                for size in sizes:
                    self._compiled_models.compile_parts(
                        [(loaded, tuple(loaded.content_ids))], execution, caching, emit, size, all_parts=True
                    )
            self._release_all(emit)
            made = tuple(entry for entry in self._compile_cache.entries() if entry.folder not in before)
            fixed = any(needs_fixed_shapes(device) for device in execution.devices)
            return PrecompileResult(made, time.perf_counter() - started, fixed, is_cached=not self._requests.not_cached)

    def close(self) -> None:
        self._requests.keep_only(())
        self._checkpoints.keep_only(())

    @contextmanager
    def _cancelled_by(self, cancel: CancelToken) -> Iterator[None]:
        self._interrupt.token = cancel
        try:
            yield
        except Interrupted:
            raise BenchmarkCancelledError from None

    def _cached_folders(self) -> set[Path]:
        return {entry.folder for entry in self._compile_cache.entries()}

    def _release_all(self, emit: Emit) -> None:
        self._compiled_models.compile_parts([], Execution(), None, emit)

    def _measure_part(self, loaded: LoadedCheckpoint, part: str, size: Size, execution: Execution) -> PartTiming:
        """Measure one part on one device, with nothing else in memory."""
        self._interrupt.check()
        device, before = execution.device, self._cached_folders()
        given = example_inputs(loaded, part, size)
        started = time.perf_counter()
        try:
            execution = self._compiled_models.resolve_devices(execution)
            self._compiled_models.compile_parts(
                [(loaded, (part,))], execution, None, _ignore_event, size, all_parts=True
            )
            request = loaded.pipe.model_parts[part].request
            request(given)
            first = time.perf_counter() - started
            milliseconds = _median_milliseconds(request, given)
        except (EngineError, DeviceError) as problem:
            return PartTiming(part=part, device=device, problem=problem.why or str(problem))
        finally:
            self._release_all(_ignore_event)
        made = any(entry.part == part for entry in self._compile_cache.entries() if entry.folder not in before)
        return PartTiming(
            part=part,
            device=device,
            milliseconds=round(milliseconds, 3),
            first_seconds=round(first, 3),
            compiled=made,
        )


def example_inputs(loaded: LoadedCheckpoint, part: str, size: Size) -> dict[str, Any]:
    """Return inputs by name as in a guided step at `size`; noise where the values do not matter."""
    random = np.random.default_rng(0)
    ports = fixed_shapes.input_ports(loaded.pipe.model_parts[part].model)
    given = {}
    for name, shape in fixed_shapes.input_shapes(part, ports, size, loaded.vae_scale_factor).items():
        shape = (_BATCH_BY_PART.get(part, 1), *shape[1:])
        kind = next(port.dtype for port in ports if port.name == name)
        if name == "timestep":
            values = np.full(shape, _TIMESTEP)
        elif np.issubdtype(kind, np.integer):
            values = np.ones(shape)
        else:
            values = random.standard_normal(shape)
        given[name] = values.astype(kind)
    return given


def _ignore_event(_: EngineEvent) -> None:
    """Ignore an event: progress is reported per part and device, not within one."""


def _speed_plans(speeds: Sequence[SpeedPreset]) -> list[SpeedPlan]:
    return [speed.plan for speed in speeds]


def _median_milliseconds(request: Any, given: dict[str, Any]) -> float:
    """Return the median milliseconds of a few calls, fewer if they are slow."""
    taken: list[float] = []
    while len(taken) < _MAX_CALLS and sum(taken) < _MAX_SECONDS:
        started = time.perf_counter()
        request(given)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def _measuring_progress(part: str, device: str, number: int, total: int) -> Progress:
    detail = f"{part} on {device}"
    return Progress(phase=Phase.COMPILING, step=number + 1, total=total, fraction=number / total, detail=detail)
