"""Out-of-memory errors are recognised by their type and by the messages of libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sdxl_desktop.core.events import RunFailed
from sdxl_desktop.core.out_of_memory import OUT_OF_MEMORY_EXIT_CODE, is_out_of_memory

NOT_THERE = RuntimeError("Check 'false' failed: Device GPU.7 is not registered")


@pytest.mark.parametrize(
    "problem",
    [
        MemoryError(),
        RuntimeError("[CPU] Reorder node with name 'x' can't alloc"),
        RuntimeError("Exception from plugin.cpp:5:\\nFailed to allocate 25165824 bytes of memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("[GPU] clEnqueueNDRangeKernel, error code: -5 CL_OUT_OF_RESOURCES"),
        OSError(12, "Cannot allocate memory"),
        ImportError("libtorch.so: failed to map segment from shared object"),
    ],
    ids=repr,
)
def test_it_is_reported_as_what_it_is(problem: Exception) -> None:
    assert is_out_of_memory(problem)
    assert "memory" in RunFailed.unexpected(problem).error.what


def test_other_failures_are_not() -> None:
    assert not is_out_of_memory(NOT_THERE)
    assert "GPU.7" in RunFailed.unexpected(NOT_THERE).error.why


@pytest.mark.slow
def test_a_process_that_waits_for_a_thread_without_memory_ends() -> None:
    """Which Python waits for without end: here the first call of the thread fails as it does without memory."""
    code = """
import threading
from sdxl_desktop.core import out_of_memory
shortage.end_instead_of_hanging()
def fail(self):
    raise MemoryError
threading.Thread._bootstrap = fail
threading.Thread().start()
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == OUT_OF_MEMORY_EXIT_CODE
