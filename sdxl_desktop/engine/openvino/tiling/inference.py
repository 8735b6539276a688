"""Runs a compiled graph once, watching whether the person asks to stop, and returns memory to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.engine.openvino.interruptible_request import POLL_MILLISECONDS

CancelCheck = Callable[[], None]
"""Raises what shall end the decode, or returns."""


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def trim_heap() -> None:
    """Return to the system what was freed. glibc keeps blocks of up to 32 MB for itself; after a decode in strips these
    add up to 240 MB. Other systems do it on their own."""
    if (trim := getattr(_libc, "malloc_trim", None)) is not None:
        trim(0)


def never_cancel() -> None:
    """A check that never stops anything."""


def infer(request: Any, check: CancelCheck) -> None:
    """Run an infer request whose inputs are set. What `check` raises stops it between two layers and is raised on.
    Raises EngineError when the device fails."""
    try:
        request.start_async()
        while not request.wait_for(POLL_MILLISECONDS):
            _cancel_if_requested(request, check)
    except RuntimeError as problem:
        raise EngineError(
            "The device failed while it was decoding the picture.",
            why=str(problem).strip().splitlines()[-1].rstrip(".") + ".",
            next_step="A smaller picture needs less memory; or choose another device or precision in the settings.",
        ) from problem


def _cancel_if_requested(request: Any, check: CancelCheck) -> None:
    try:
        check()
    except BaseException:
        request.cancel()
        with suppress(RuntimeError):  # OpenVINO's own word that the request was cancelled
            request.wait()
        raise
