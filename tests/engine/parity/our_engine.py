"""Draws a request with our engine and catches the picture before it is rounded to 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event as Flag
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from sdxl_desktop.core.events import EngineEvent, RunFailed, RunFinished
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.engine_protocol import Engine
from sdxl_desktop.engine.openvino import decode
from tests.engine.parity.diffusers_calls import Floats


@dataclass(frozen=True)
class DecodedPicture:
    """`floats` [H, W, 3] in [0, 1] as the VAE decoded them; `pixels` uint8 [H, W, 3] of the finished picture, which if
    inpainted are the original's outside the mask."""

    floats: Floats
    pixels: npt.NDArray[np.uint8]


class OurEngine:
    """Our engine, called with a complete request as the window does."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def generate(self, request: GenerationRequest) -> Floats:
        return self.generate_all(request)[0].floats

    def generate_all(self, request: GenerationRequest) -> list[DecodedPicture]:
        """One for each picture of the run; raises the engine's error when it fails."""
        events: list[EngineEvent] = []
        with _record_decoded() as decoded:
            self._engine.generate(request, events.append, Flag())
        last = events[-1]
        if isinstance(last, RunFailed):
            raise last.error
        assert isinstance(last, RunFinished), last
        assert len(decoded) == len(last.pictures), "something else was decoded, too"
        drawings = [
            DecodedPicture(floats, picture.pixels) for floats, picture in zip(decoded, last.pictures, strict=True)
        ]
        if request.edit is None:
            for drawing in drawings:
                assert np.abs(drawing.pixels / 255 - drawing.floats).max() <= 0.5 / 255 + 1e-6
        return drawings


@contextmanager
def _record_decoded() -> Iterator[list[Floats]]:
    """Every picture that is decoded meanwhile, as floats in [0, 1]."""
    seen: list[Floats] = []
    to_pixels = decode.to_pixels

    def watched(image: Any) -> Any:
        seen.append(np.clip(image / 2 + 0.5, 0, 1))
        return to_pixels(image)

    with patch.object(decode, "to_pixels", watched):
        yield seen
