"""Decodes a picture while the next one is denoised on another device."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.engine.openvino.interruptible_request import Interrupted
from sdxl_desktop.engine.openvino.workflow import DenoisedLatents

DecodedImage = tuple[Pixels, tuple[str, ...]]
"""Pixels uint8 [H, W, 3], and notes."""


@dataclass(frozen=True, slots=True, eq=False)
class PendingDecode:
    """A picture that is denoised, the run's `index`-th from 0."""

    index: int
    seed: int
    latents: DenoisedLatents


class OverlapRefused(Exception):
    """This decode cannot be done while something else is drawn: it has to compile. Carries nothing."""


class BackgroundDecoder:
    """At most one decode in a thread of its own. What becomes of it is `finish`ed in the thread that asks here; one
    that cannot be done beside a drawing is done there too, by `decode`.

    At the end of the block it is waited for, also where the block raises: a picture that was denoised is not lost
    because the next one fails. Only a person's stop ends it.
    """

    def __init__(
        self, decode: Callable[[PendingDecode], DecodedImage], finish: Callable[[PendingDecode, DecodedImage], None]
    ) -> None:
        self._decode, self._finish = decode, finish
        self._executor = ThreadPoolExecutor(1, "decode-beside")
        self._pending: tuple[PendingDecode, Future[DecodedImage]] | None = None

    @property
    def is_pending(self) -> bool:
        """Whether a decode has begun that is not finished here."""
        return self._pending is not None

    def start(self, pending: PendingDecode, decode: Callable[[], DecodedImage]) -> None:
        """Have `decode` done beside what follows; the one before must be finished."""
        assert self._pending is None
        self._pending = pending, self._executor.submit(decode)

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
        except OverlapRefused:
            decoded = self._decode(one)
        self._finish(one, decoded)

    def __enter__(self) -> BackgroundDecoder:
        return self

    def __exit__(self, _: type[BaseException] | None, problem: BaseException | None, *_where: object) -> None:
        try:
            if problem is None:
                self.finish()
            elif not isinstance(problem, Interrupted):
                with suppress(SdxlDesktopError, Interrupted):  # the first trouble is the one that is told
                    self.finish()
        finally:
            self._executor.shutdown()
