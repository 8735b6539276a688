"""Runs a compiled graph once with cancellation, and returns memory to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.engine.openvino.interruptible_request import POLL_MILLISECONDS

CancelCheck = Callable[[], None]
"""Returns, or raises an exception to end the decode."""


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def trim_heap() -> None:
    """Return freed memory to the system. glibc retains blocks of up to 32 MB; after a decode in strips these add up to
    240 MB. Other systems do this on their own."""
    if (trim := getattr(_libc, "malloc_trim", None)) is not None:
        trim(0)


def never_cancel() -> None:
    """A check that never cancels."""


def infer(request: Any, check: CancelCheck) -> None:
    """Run an infer request whose inputs are set. An exception from `check` cancels it between two layers and is
    re-raised. Raises EngineError if the device fails."""
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
        with suppress(RuntimeError):  # OpenVINO reports that the request was cancelled
            request.wait()
        raise
