"""The parts of a checkpoint on their way to a device: identified by content, mended, compiled, cached on disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import openvino as ov

from sdxl_desktop.core.device import kind_of, needs_fixed_shapes
from sdxl_desktop.core.errors import EngineError, SdxlDesktopError
from sdxl_desktop.core.native_errors import OPENVINO_ERRORS
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import DEFAULT_COMPILED_QUOTA_GB
from sdxl_desktop.core.shortage import is_shortage, not_enough_memory
from sdxl_desktop.engine.compile_key import DYNAMIC, FIXED, CompileKey, content_id
from sdxl_desktop.engine.compiled_store import (
    GB,
    CompiledStore,
    Origin,
    Runtime,
    Slot,
    openvino_version,
    preferred_quota,
)
from sdxl_desktop.engine.openvino import angles, devices
from sdxl_desktop.engine.openvino.free_shapes import free_shapes

__all__ = ["Compiler", "Graph", "compiler_for", "content_id", "execution_device", "mend_unet", "runtime", "settled"]

_IDENTIFYING = (
    *("FULL_DEVICE_NAME", "DEVICE_ARCHITECTURE", "NPU_DRIVER_VERSION", "GPU_UARCH_VERSION"),
    "OPTIMIZATION_CAPABILITIES",  # virtual machines give processors of different kinds one name
)


def mend_unet(model: ov.Model) -> None:
    """Give the exported UNet what the export took from it; changes `model`.

    Its `timestep` input is an integer, so schedulers with fractional timesteps (Karras, Heun, LMS) drift: make it
    f32. Its context is fixed at 77 tokens: make it free, for longer prompts, and so are batch and size where the export
    fixed them (`free_shapes`). In 16 bits it would misread timesteps and sizes: see `angles`.
    """
    free_shapes(model)
    shapes = {}
    for port in model.inputs:
        shape = port.get_partial_shape()
        if port.get_any_name() == "timestep":
            port.get_node().set_element_type(ov.Type.f32)
        if port.get_any_name() == "encoder_hidden_states":
            shape[1] = -1
        shapes[port] = shape
    model.validate_nodes_and_infer_types()
    model.reshape(shapes)
    angles.keep_exact(model, devices.core)


Graph = Callable[[], ov.Model]
"""Reads the graph of a part, mended and cut as it is to be compiled."""


def settled(key: CompileKey, is_scaled: Callable[[], bool]) -> CompileKey:
    """`key` with what its device makes of precision, threads and shape. `is_scaled` is as for `devices.precision_for`,
    asked only where it has a say."""
    return replace(
        key,
        precision=devices.precision_for(key.device, key.component, key.precision, is_scaled),
        threads=key.threads if kind_of(key.device) == "CPU" else 0,
        shape=FIXED if needs_fixed_shapes(key.device) else DYNAMIC,
    )


class Compiler:
    """Compiles parts for devices, keeping the blobs under `cache`, of which at most `quota` bytes (asked anew each
    time) stay when they are not in use."""

    def __init__(self, cache: Path, quota: Callable[[], int] = lambda: DEFAULT_COMPILED_QUOTA_GB * GB) -> None:
        self._store = CompiledStore(cache)
        self._quota = quota
        self._slots: dict[CompileKey, Slot] = {}
        self._loaded: set[CompileKey] = set()
        self._discarded: set[CompileKey] = set()
        self._begun: dict[CompileKey, Future[tuple[Any, float]]] = {}
        self._ahead: set[Future[tuple[Any, float]]] = set()
        self._grown = False
        self.not_kept: set[CompileKey] = set()
        """What was compiled and is not on disk: nothing can be written there, or the device keeps nothing."""
        self._pruning = threading.Lock()

    def compile(self, key: CompileKey, graph: Graph, origin: Origin | None = None) -> tuple[Any, float]:
        """(compiled model, seconds) of what `graph` reads. Raises EngineError when the device refuses.

        What is kept of it on disk counts as in use until the key is released. One that was begun is waited for.
        """
        if (begun := self._begun.pop(key, None)) is not None:
            with suppress(SdxlDesktopError, OSError, RuntimeError):  # it is tried again, and then tells what is wrong
                return begun.result()
        return self._compile(key, graph(), origin)

    def begin(self, key: CompileKey, graph: Graph, origin: Origin | None = None) -> None:
        """Compile it in another thread, before it is asked for; until then it takes its memory."""
        thread = ThreadPoolExecutor(1, "compile-ahead")
        self._begun[key] = ahead = thread.submit(lambda: self._compile(key, graph(), origin))
        self._ahead.add(ahead)
        thread.shutdown(wait=False)

    @property
    def is_ahead(self) -> bool:
        """Whether another thread is at work on what was begun, wanted or not."""
        self._ahead = {ahead for ahead in self._ahead if not ahead.done()}
        return bool(self._ahead)

    def give_up_but(self, wanted: Container[CompileKey]) -> None:
        """Let go of what was begun and is not among `wanted`."""
        for key in [key for key in self._begun if key not in wanted]:
            self._begun.pop(key).add_done_callback(lambda _, key=key: self.release(key))  # type: ignore[misc]

    def _compile(self, key: CompileKey, model: ov.Model, origin: Origin | None) -> tuple[Any, float]:
        self.release(key)
        present = runtime(key.device)
        slot = self._store.take(key, present)
        cache = str(slot.folder) if slot else ""
        config = devices.compile_config(key.device, precision=key.precision, threads=key.threads, cache=cache)
        started = time.perf_counter()
        try:
            compiled = devices.core.compile_model(model, key.device, config)
        except (*OPENVINO_ERRORS, MemoryError) as problem:
            if slot is not None:
                self._store.release(slot)
            if is_shortage(problem):
                raise not_enough_memory(
                    f"the {key.component.replace('_', ' ')} was compiled for {key.device}"
                ) from problem
            raise EngineError(
                f"The {key.component.replace('_', ' ')} cannot be compiled for {key.device}.",
                why=_first_line(problem),
                next_step="Try another device or precision in the settings; the driver may need an update.",
            ) from problem
        seconds = time.perf_counter() - started
        if slot is not None:
            loaded = _from_cache(compiled)
            self._slots[key] = slot
            self._grown |= not loaded
            self._loaded = self._loaded | {key} if loaded else self._loaded - {key}
            self._store.keep(slot, key, origin, present, None if loaded else seconds)
        if slot is None or not any(blob.stat().st_size for blob in slot.folder.glob("*.blob")):
            self.not_kept.add(key)
        return compiled, seconds

    def release(self, key: CompileKey) -> None:
        """What is kept on disk of `key` may go from now on."""
        if (slot := self._slots.pop(key, None)) is not None:
            self._store.release(slot)

    def discard(self, key: CompileKey) -> bool:
        """Remove what is kept on disk of `key` if it was loaded from there, so that it is compiled anew the next time;
        whether it was. Once in this process for each."""
        if key not in self._loaded - self._discarded or (slot := self._slots.pop(key, None)) is None:
            return False
        self._discarded.add(key)
        self._store.discard(slot)
        return True

    def prune(self) -> None:
        """Throw away what is stale or beyond the quota, in a thread that nobody has to wait for; nothing where
        everything was loaded."""
        if self._grown:
            self._grown = False
            threading.Thread(target=self._prune, name="compiled-prune", daemon=True).start()

    def _prune(self) -> None:
        if self._pruning.acquire(blocking=False):
            try:
                self._store.prune(self._quota(), _present_runtime)
            finally:
                self._pruning.release()


def compiler_for(paths: AppPaths) -> Compiler:
    """One that keeps blobs where the application does, within the quota that the person set."""
    return Compiler(paths.compiled, partial(preferred_quota, paths.settings_file))


def runtime(device: str) -> Runtime:
    """What blobs for `device` depend on: OpenVINO, and as much as the device tells of itself and its driver."""
    known = set(devices.core.get_property(device, "SUPPORTED_PROPERTIES"))
    told = [_told(devices.core.get_property(device, name)) for name in _IDENTIFYING if name in known]
    return Runtime(openvino_version(), " · ".join(told))


def _told(value: Any) -> str:
    return " ".join(sorted(map(str, value))) if isinstance(value, (list, tuple)) else str(value)


def _present_runtime(device: str) -> Runtime | None:
    """None for a device that is not there now and may come back."""
    try:
        return runtime(device) if device in devices.core.available_devices else None
    except RuntimeError:  # it went while it was asked
        return None


def _from_cache(compiled: Any) -> bool:
    try:
        return bool(compiled.get_property("LOADED_FROM_CACHE"))
    except RuntimeError:  # a device that does not tell
        return False


def execution_device(compiled: Any) -> str:
    """The device that really runs a compiled part, as OpenVINO reports it."""
    used = compiled.get_property("EXECUTION_DEVICES")
    return ", ".join(used) if isinstance(used, (list, tuple)) else str(used)


def _first_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return (lines[-1] if lines else type(problem).__name__).rstrip(".") + "."
