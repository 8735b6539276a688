"""The compiled parts in memory: looked up by key, compiled once, released when another checkpoint needs the memory."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.engine.compile_cache import BlobOrigin
from sdxl_desktop.engine.compile_key import CompileKey, CompileTimes
from sdxl_desktop.engine.engine_protocol import Emit
from sdxl_desktop.engine.openvino.interruptible_request import Interrupt, InterruptibleInferRequest
from sdxl_desktop.engine.openvino.part_compiler import Compiler, GraphReader

_log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.25


class InferRequestCache:
    """Infer requests by `CompileKey`. A key is never compiled twice."""

    def __init__(self, compiler: Compiler, times: CompileTimes, interrupt: Interrupt) -> None:
        self._compiler = compiler
        self._times = times
        self._interrupt = interrupt
        self._requests: dict[CompileKey, InterruptibleInferRequest] = {}

    def __contains__(self, key: CompileKey) -> bool:
        return key in self._requests

    def __getitem__(self, key: CompileKey) -> InterruptibleInferRequest:
        return self._requests[key]

    @property
    def is_compiling(self) -> bool:
        """Whether a precompilation runs in another thread."""
        return self._compiler.is_precompiling

    @property
    def not_cached(self) -> frozenset[CompileKey]:
        """The keys compiled here that could not be cached on disk."""
        return frozenset(self._compiler.not_cached)

    def keep_only(self, keys: Iterable[CompileKey]) -> None:
        """Release all others and their memory."""
        wanted = set(keys)
        self._compiler.drop_precompiled_except(wanted)
        for key in self._requests.keys() - wanted:
            self._compiler.release(key)
        self._requests = {key: request for key, request in self._requests.items() if key in wanted}

    def release(self, key: CompileKey) -> None:
        """Release one request and its memory."""
        if self._requests.pop(key, None) is not None:
            self._compiler.release(key)

    def discard(self, key: CompileKey) -> bool:
        """As `release`, if it was loaded from disk, so that it is compiled again the next time. Return whether it
        was."""
        discarded = key in self._requests and self._compiler.discard(key)
        if discarded:
            del self._requests[key]
        return discarded

    def compile_missing(
        self, graphs: Mapping[CompileKey, GraphReader], emit: Emit, origins: Mapping[CompileKey, BlobOrigin]
    ) -> None:
        """Compile missing keys; progress is estimated from earlier compile times. `origins` name the checkpoints
        compiled for."""
        missing = [key for key in graphs if key not in self._requests]
        for position, key in enumerate(missing):
            self._interrupt.check()
            with self._report_progress(missing, position, emit):
                compiled, seconds = self._compiler.compile(key, graphs[key], origins.get(key))
            self._times.record(key, seconds)
            _log.info("Ready: %s on %s in %.1f s", key.component, key.device, seconds)
            self._requests[key] = InterruptibleInferRequest(compiled, self._interrupt)
        if missing:
            self._compiler.prune()

    @contextmanager
    def _report_progress(self, keys: list[CompileKey], position: int, emit: Emit) -> Iterator[None]:
        """Emit Progress a few times a second while the body, which reports none, compiles `keys[position]`."""
        before = self._times.total_seconds(keys[:position])
        here = self._times.expected_seconds(keys[position])
        total = self._times.total_seconds(keys)
        started = time.perf_counter()
        over = threading.Event()

        def report() -> None:
            elapsed = time.perf_counter() - started
            fraction = left = None
            if before is not None and here is not None and total:
                done = before + min(elapsed, here)
                fraction, left = min(done / total, 1.0), max(total - done, 0.0)
            emit(
                Progress(
                    phase=Phase.COMPILING,
                    step=position + 1,
                    total=len(keys),
                    fraction=fraction,
                    seconds_left=left,
                    detail=keys[position].component,
                )
            )

        def report_until_stopped() -> None:
            while not over.wait(PROGRESS_SECONDS):
                report()

        report()
        ticker = threading.Thread(target=report_until_stopped, name="compile-progress", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            over.set()
            ticker.join()
