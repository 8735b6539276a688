"""The child's side of a job that computes: it gives way to the window, keeps off the network and within its memory."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Generic, NoReturn, Protocol, TypeVar

import psutil

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.children import child, memory, words

_NICENESS = 5


class _Limited(Protocol):
    """A job that may take `memory_limit` bytes of memory."""

    @property
    def memory_limit(self) -> int: ...


J = TypeVar("J", bound=_Limited)
Emit = Callable[[words.JobProgress[Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Computing(Generic[J]):
    """One kind of computing child: it `read`s its job from a line, does the `work` and tells how that goes.

    `too_much(job)` is told where the job took more memory than it may or than there is, `failed(cause)` where a library
    raised something, which `cause` says in a sentence.
    """

    read: Callable[[bytes], J]
    work: Callable[[J, Emit], None]
    too_much: Callable[[J], SdxlDesktopError]
    failed: Callable[[str], SdxlDesktopError]

    def do(self, job: J, out: BinaryIO) -> int:
        """Do `job`, telling on `out`; returns the exit code."""

        def tell(problem: SdxlDesktopError) -> None:
            child.say(words.error_line(problem), out)

        def work() -> None:
            self.work(job, lambda progress: child.say(words.progress_line(progress), out))
            child.say(words.done_line(), out)

        def unexpected(problem: Exception) -> SdxlDesktopError:
            return self.too_much(job) if isinstance(problem, MemoryError) else self.failed(_cause(problem))

        return child.caught(work, tell, unexpected)

    def serve(self) -> NoReturn:
        """Be such a child, from the first moment of this process to its last."""
        os.environ["HF_HUB_OFFLINE"] = "1"
        with contextlib.suppress(psutil.Error, OSError):
            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else _NICENESS)
        line, out = child.begin()
        job = self.read(line)
        memory.end_above(job.memory_limit, lambda: child.say(words.error_line(self.too_much(job)), out))
        child.end(self.do(job, out), out)


def _cause(problem: Exception) -> str:
    """ "ValueError: the first line of what it says."."""
    said = str(problem).splitlines()
    return f"{type(problem).__name__}: {said[0][:300] if said else ''}".rstrip(": ") + "."
