"""How far two drawings of one request are from each other."""

from __future__ import annotations

import numpy as np

from sdxl_desktop.core.request import GenerationRequest
from tests.engine.parity.diffusers_calls import Floats
from tests.engine.parity.our_engine import DecodedPicture

_ROUNDING = 1e-6


def composited_tolerance() -> float:
    """One level of 8 bits."""
    return 1 / 255 + _ROUNDING


def has_composited_result_only(request: GenerationRequest) -> bool:
    """Whether diffusers gives the finished 8-bit picture only, as it does when the masked area alone is drawn."""
    return request.edit is not None and request.edit.only_masked is not None


def max_difference(one: Floats, other: Floats) -> float:
    """The largest one of any channel of any pixel."""
    assert one.shape == other.shape, f"{one.shape} is not {other.shape}"
    return float(np.abs(one - other).max())


def comparable_image(request: GenerationRequest, drawing: DecodedPicture) -> Floats:
    """What of our drawing diffusers' answer is to be compared with."""
    return (
        drawing.pixels.astype(np.float32) / np.float32(255) if has_composited_result_only(request) else drawing.floats
    )


def composite(request: GenerationRequest, drawn: Floats) -> Floats:
    """`drawn` as 8-bit values inside the request's mask, the original picture outside."""
    assert request.edit is not None
    assert request.edit.mask is not None
    inside = request.edit.mask.array[..., None] >= 128
    return np.where(inside, np.round(drawn * 255), request.edit.picture.array).astype(np.float32) / np.float32(255)
