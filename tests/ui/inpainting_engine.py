"""A fake engine that fills masked areas as the real one does, and a picture and a mask for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sdxl_desktop.core.events import Picture, PictureFinished, Preview, Progress, RunFinished
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.edit_inputs import EditInputs
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit, Pausing
from sdxl_desktop.engine.fake_engine import FakeEngine

SIDE = 64


@dataclass
class InpaintingEngine(FakeEngine):
    """Draws gradients, and composites them into the picture as the real engine does."""

    def generate(
        self, request: GenerationRequest, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None
    ) -> None:
        def blend(event: Any) -> None:
            match event:
                case PictureFinished():
                    emit(PictureFinished(finish_picture(request, event.picture)))
                case RunFinished():
                    emit(replace(event, pictures=tuple(finish_picture(request, picture) for picture in event.pictures)))
                case Progress() | Preview() | _:
                    emit(event)

        super().generate(request, blend, cancel, pausing)


def finish_picture(request: GenerationRequest, picture: Picture) -> Picture:
    """Return the result of a run of `request` that has drawn the pixels of `picture`."""
    if request.edit is None:
        return picture
    ground = EditInputs.prepare(request.edit, request.sampling.size)
    drawn = picture.pixels if request.edit.mask is not None else None
    return replace(
        picture,
        pixels=ground.compose_result(picture.pixels, add_watermark=request.output.watermark),
        generated_pixels=drawn,
    )


def photo() -> Any:
    return np.random.default_rng(3).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)


def disc_mask(x: float = 30, y: float = 34, radius: float = 16) -> Any:
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    return np.where((across - x) ** 2 + (down - y) ** 2 <= radius**2, 255, 0).astype(np.uint8)
