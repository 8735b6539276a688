"""A checkpoint refuses sizes it cannot draw, and names those next to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.core.checkpoint import Checkpoint, RecommendedSettings
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size

CHECKPOINT = Checkpoint(
    name="x", title="X", folder=Path("x"), size_multiple=32, recommended=RecommendedSettings(size=Size(64, 64))
)


def test_multiples_fit() -> None:
    for side in range(32, 512, 32):
        CHECKPOINT.check_size(Size(side, 1024 - side))


@pytest.mark.parametrize(("size", "words"), [(Size(72, 64), "Use 64 or 96"), (Size(64, 8), "Use 32")])
def test_others_are_refused_with_the_nearest(size: Size, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        CHECKPOINT.check_size(size)
