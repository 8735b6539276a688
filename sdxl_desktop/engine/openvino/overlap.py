"""Decodes a picture while the next one is denoised on another device."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.engine.openvino.interrupt import Interrupted
from sdxl_desktop.engine.openvino.workflow import Latents

Decoded = tuple[Pixels, tuple[str, ...]]
"""Pixels uint8 [H, W, 3], and notes."""


@dataclass(frozen=True, slots=True, eq=False)
class Undecoded:
    """A picture that is denoised, the run's `index`-th from 0."""

    index: int
    seed: int
    latents: Latents


class NotBeside(Exception):
    """This decode cannot be done while something else is drawn: it has to compile. Carries nothing."""


class Overlap:
    """At most one decode in a thread of its own. What becomes of it is `finish`ed in the thread that asks here; one
    that cannot be done beside a drawing is done there too, by `decode`.

    At the end of the block it is waited for, also where the block raises: a picture that was denoised is not lost
    because the next one fails. Only a person's stop ends it.
    """

    def __init__(self, decode: Callable[[Undecoded], Decoded], finish: Callable[[Undecoded, Decoded], None]) -> None:
        self._decode, self._finish = decode, finish
        self._thread = ThreadPoolExecutor(1, "decode-beside")
        self._pending: tuple[Undecoded, Future[Decoded]] | None = None

    @property
    def is_pending(self) -> bool:
        """Whether a decode has begun that is not finished here."""
        return self._pending is not None

    def begin(self, one: Undecoded, decode: Callable[[], Decoded]) -> None:
        """Have `decode` done beside what follows; the one before must be finished."""
        assert self._pending is None
        self._pending = one, self._thread.submit(decode)

    def finish_if_decoded(self) -> None:
        """Finish what is ready, without waiting and without trouble."""
        if self._pending is not None and self._pending[1].done() and self._pending[1].exception() is None:
            self.finish()

    def finish(self) -> None:
        """Wait for what is pending and finish it. Raises what its decode raised."""
        if self._pending is None:
            return
        (one, future), self._pending = self._pending, None
        try:
            decoded = future.result()
        except NotBeside:
            decoded = self._decode(one)
        self._finish(one, decoded)

    def __enter__(self) -> Overlap:
        return self

    def __exit__(self, _: type[BaseException] | None, problem: BaseException | None, *_where: object) -> None:
        try:
            if problem is None:
                self.finish()
            elif not isinstance(problem, Interrupted):
                with suppress(SdxlDesktopError, Interrupted):  # the first trouble is the one that is told
                    self.finish()
        finally:
            self._thread.shutdown()
