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
    """A denoised picture; `index` is its position in the run, from 0."""

    index: int
    seed: int
    latents: DenoisedLatents


class OverlapRefused(Exception):
    """This decode has to compile, so it cannot run during denoising. Carries no data."""


class BackgroundDecoder:
    """Runs at most one decode in its own thread. Its result is passed to `finish` in the calling thread; a decode that
    cannot run in the background is done there too, by `decode`.

    The end of the block waits for the decode, also after an exception: a denoised picture is not lost because the next
    one fails. Only cancelling by the user ends it.
    """

    def __init__(
        self, decode: Callable[[PendingDecode], DecodedImage], finish: Callable[[PendingDecode, DecodedImage], None]
    ) -> None:
        self._decode, self._finish = decode, finish
        self._executor = ThreadPoolExecutor(1, "decode-beside")
        self._pending: tuple[PendingDecode, Future[DecodedImage]] | None = None

    @property
    def is_pending(self) -> bool:
        """Whether a decode was started and not yet finished."""
        return self._pending is not None

    def start(self, pending: PendingDecode, decode: Callable[[], DecodedImage]) -> None:
        """Start `decode` in the background; the previous one must be finished."""
        assert self._pending is None
        self._pending = pending, self._executor.submit(decode)

    def finish_if_decoded(self) -> None:
        """Finish a successfully completed decode, without waiting."""
        if self._pending is not None and self._pending[1].done() and self._pending[1].exception() is None:
            self.finish()

    def finish(self) -> None:
        """Wait for the pending decode and finish it. Raises the exception of its decode."""
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
                with suppress(SdxlDesktopError, Interrupted):  # the first exception is the one reported
                    self.finish()
        finally:
            self._executor.shutdown()
