"""Compiles the parts of a checkpoint: identifies them by content, patches their graphs, caches the blobs on disk."""

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

from sdxl_desktop.core.device import device_type, needs_fixed_shapes
from sdxl_desktop.core.errors import EngineError, SdxlDesktopError
from sdxl_desktop.core.openvino_errors import OPENVINO_ERRORS
from sdxl_desktop.core.out_of_memory import is_out_of_memory, out_of_memory_error
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import DEFAULT_COMPILED_QUOTA_GB
from sdxl_desktop.engine.compile_cache import (
    GB,
    BlobOrigin,
    CacheSlot,
    CompileCache,
    RuntimeVersion,
    openvino_version,
    quota_from_settings,
)
from sdxl_desktop.engine.compile_key import DYNAMIC, FIXED, CompileKey, content_id
from sdxl_desktop.engine.openvino import devices, timestep_precision
from sdxl_desktop.engine.openvino.dynamic_shapes import make_shapes_dynamic

__all__ = [
    "Compiler",
    "GraphReader",
    "content_id",
    "create_compiler",
    "execution_device",
    "patch_unet",
    "resolve_key",
    "runtime_version",
]

_DEVICE_ID_PROPERTIES = (
    *("FULL_DEVICE_NAME", "DEVICE_ARCHITECTURE", "NPU_DRIVER_VERSION", "GPU_UARCH_VERSION"),
    "OPTIMIZATION_CAPABILITIES",  # virtual machines report the same name for different CPUs
)


def patch_unet(model: ov.Model) -> None:
    """Restore in `model`, an exported UNet, what the export lost; changes it.

    Its `timestep` input is an integer, so schedulers with fractional timesteps (Karras, Heun, LMS) drift: make it f32.
    Its context is fixed at 77 tokens: make it dynamic, for longer prompts; also batch and size if the export fixed them
    (`make_shapes_dynamic`). In 16 bits it would misread timesteps and sizes: see `timestep_precision`.
    """
    make_shapes_dynamic(model)
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
    timestep_precision.compute_timestep_embeddings_in_f32(model, devices.core)


GraphReader = Callable[[], ov.Model]
"""Reads the graph of a part, patched and cut as it is to be compiled."""


def resolve_key(key: CompileKey, check_activation_scale: Callable[[], bool]) -> CompileKey:
    """Return `key` with the precision, threads and shape its device actually uses. `check_activation_scale` is as for
    `devices.supported_precision`, called only if it matters."""
    return replace(
        key,
        precision=devices.supported_precision(key.device, key.component, key.precision, check_activation_scale),
        threads=key.threads if device_type(key.device) == "CPU" else 0,
        shape=FIXED if needs_fixed_shapes(key.device) else DYNAMIC,
    )


class Compiler:
    """Compiles parts for devices and caches the blobs under `cache`. At most `quota()` bytes of unused blobs are kept;
    the quota is read each time."""

    def __init__(self, cache: Path, quota: Callable[[], int] = lambda: DEFAULT_COMPILED_QUOTA_GB * GB) -> None:
        self._compile_cache = CompileCache(cache)
        self._quota = quota
        self._slots: dict[CompileKey, CacheSlot] = {}
        self._loaded_from_cache: set[CompileKey] = set()
        self._discarded: set[CompileKey] = set()
        self._precompiled: dict[CompileKey, Future[tuple[Any, float]]] = {}
        self._precompile_futures: set[Future[tuple[Any, float]]] = set()
        self._has_new_blobs = False
        self.not_cached: set[CompileKey] = set()
        """Keys compiled but not on disk: the folder is not writable, or the device does not support caching."""
        self._pruning = threading.Lock()

    def compile(self, key: CompileKey, graph: GraphReader, origin: BlobOrigin | None = None) -> tuple[Any, float]:
        """Compile the model that `graph` returns; return (compiled model, seconds). Raises EngineError if the device
        fails.

        Its blob on disk counts as in use until the key is released. A running precompilation is awaited.
        """
        if (begun := self._precompiled.pop(key, None)) is not None:
            with suppress(SdxlDesktopError, OSError, RuntimeError):  # compiled again below, which reports the problem
                return begun.result()
        return self._compile(key, graph(), origin)

    def precompile(self, key: CompileKey, graph: GraphReader, origin: BlobOrigin | None = None) -> None:
        """Compile ahead in another thread. The result takes memory until `compile` returns it."""
        thread = ThreadPoolExecutor(1, "compile-ahead")
        self._precompiled[key] = ahead = thread.submit(lambda: self._compile(key, graph(), origin))
        self._precompile_futures.add(ahead)
        thread.shutdown(wait=False)

    @property
    def is_precompiling(self) -> bool:
        """Whether a precompilation runs in another thread, needed or not."""
        self._precompile_futures = {ahead for ahead in self._precompile_futures if not ahead.done()}
        return bool(self._precompile_futures)

    def drop_precompiled_except(self, wanted: Container[CompileKey]) -> None:
        """Drop precompiled models that are not in `wanted`."""
        for key in [key for key in self._precompiled if key not in wanted]:
            self._precompiled.pop(key).add_done_callback(lambda _, key=key: self.release(key))  # type: ignore[misc]

    def _compile(self, key: CompileKey, model: ov.Model, origin: BlobOrigin | None) -> tuple[Any, float]:
        self.release(key)
        present = runtime_version(key.device)
        slot = self._compile_cache.acquire(key, present)
        cache = str(slot.folder) if slot else ""
        config = devices.compile_properties(key.device, precision=key.precision, threads=key.threads, cache=cache)
        started = time.perf_counter()
        try:
            compiled = devices.core.compile_model(model, key.device, config)
        except (*OPENVINO_ERRORS, MemoryError) as problem:
            if slot is not None:
                self._compile_cache.release(slot)
            if is_out_of_memory(problem):
                raise out_of_memory_error(
                    f"the {key.component.replace('_', ' ')} was compiled for {key.device}"
                ) from problem
            raise EngineError(
                f"The {key.component.replace('_', ' ')} cannot be compiled for {key.device}.",
                why=_last_line(problem),
                next_step="Try another device or precision in the settings; the driver may need an update.",
            ) from problem
        seconds = time.perf_counter() - started
        if slot is not None:
            loaded = _was_loaded_from_cache(compiled)
            self._slots[key] = slot
            self._has_new_blobs |= not loaded
            self._loaded_from_cache = self._loaded_from_cache | {key} if loaded else self._loaded_from_cache - {key}
            self._compile_cache.commit(slot, key, origin, present, None if loaded else seconds)
        if slot is None or not any(blob.stat().st_size for blob in slot.folder.glob("*.blob")):
            self.not_cached.add(key)
        return compiled, seconds

    def release(self, key: CompileKey) -> None:
        """Mark the blob of `key` as no longer in use."""
        if (slot := self._slots.pop(key, None)) is not None:
            self._compile_cache.release(slot)

    def discard(self, key: CompileKey) -> bool:
        """Remove the blob of `key` if it was loaded from disk, so that it is compiled again the next time. Done at most
        once per key and process. Return whether it was removed."""
        if key not in self._loaded_from_cache - self._discarded or (slot := self._slots.pop(key, None)) is None:
            return False
        self._discarded.add(key)
        self._compile_cache.discard(slot)
        return True

    def prune(self) -> None:
        """Remove stale blobs and those beyond the quota, in a background thread. Does nothing if all were loaded from
        disk."""
        if self._has_new_blobs:
            self._has_new_blobs = False
            threading.Thread(target=self._prune, name="compiled-prune", daemon=True).start()

    def _prune(self) -> None:
        if self._pruning.acquire(blocking=False):
            try:
                self._compile_cache.prune(self._quota(), _runtime_version_if_available)
            finally:
                self._pruning.release()


def create_compiler(paths: AppPaths) -> Compiler:
    """Create a compiler that uses the application's cache folder and the quota in the settings."""
    return Compiler(paths.compiled, partial(quota_from_settings, paths.settings_file))


def runtime_version(device: str) -> RuntimeVersion:
    """Return what blobs for `device` depend on: the OpenVINO version, and what the device reports about itself and its
    driver."""
    known = set(devices.core.get_property(device, "SUPPORTED_PROPERTIES"))
    versions = [
        _format_property(devices.core.get_property(device, name)) for name in _DEVICE_ID_PROPERTIES if name in known
    ]
    return RuntimeVersion(openvino_version(), " · ".join(versions))


def _format_property(value: Any) -> str:
    return " ".join(sorted(map(str, value))) if isinstance(value, (list, tuple)) else str(value)


def _runtime_version_if_available(device: str) -> RuntimeVersion | None:
    """Return None for a device that is unavailable now and may come back."""
    try:
        return runtime_version(device) if device in devices.core.available_devices else None
    except RuntimeError:  # it was removed during the query
        return None


def _was_loaded_from_cache(compiled: Any) -> bool:
    try:
        return bool(compiled.get_property("LOADED_FROM_CACHE"))
    except RuntimeError:  # the device does not report it
        return False


def execution_device(compiled: Any) -> str:
    """Return the device that actually runs a compiled part, as OpenVINO reports it."""
    used = compiled.get_property("EXECUTION_DEVICES")
    return ", ".join(used) if isinstance(used, (list, tuple)) else str(used)


def _last_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return (lines[-1] if lines else type(problem).__name__).rstrip(".") + "."
