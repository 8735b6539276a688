"""A mask anywhere is drawn, whatever the shapes: an extension is drawn to its last pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.edit import EditParameters, FitMode
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.intents import Intent, MaskMetrics, parameters_for_intent
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.engine.edit_inputs import EditInputs
from sdxl_desktop.imaging import boxes
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.frame import FramePolicy, frame_for, frame_of_edit

STARTER, SMALL, REAL = (Size(64, 64), 16), (Size(256, 256), 8), (Size(1024, 1024), 32)
"""Best sizes and multiples; the small one has the real one's proportions."""
DRAWN = 255


def expanded(size: Size, borders: tuple[int, int, int, int]) -> Document:
    document = Document()
    document.set_picture(np.zeros((size.height, size.width, 3), np.uint8))
    document.extend(*borders)
    return document


def expand_edit(document: Document, drawn: Size, **changes: Any) -> EditParameters:
    ground = document.edit_source()
    assert ground.picture is not None
    assert ground.mask is not None
    meant = parameters_for_intent(Intent.EXPAND, MaskMetrics.from_mask(ground.mask.array), drawn)
    return replace(
        EditParameters(picture=ground.picture, mask=ground.mask, keep_size=True, strength=1.0, grow=meant.grow),
        **changes,
    )


def drawn_again(edit: EditParameters, size: Size) -> Any:
    """The picture after a run that drew nothing but white."""
    ground = EditInputs.prepare(edit, size)
    return ground.compose_result(np.full((size.height, size.width, 3), DRAWN, np.uint8), add_watermark=False)


def latents_drawn(edit: EditParameters, size: Size, cell: int) -> Any:
    """Where, in pixels of the whole picture, a latent of `cell` drawn pixels is denoised: bool [H, W]."""
    ground = EditInputs.prepare(edit, size)
    assert ground.mask is not None
    cells = ground.mask.reshape(size.height // cell, cell, size.width // cell, cell).max(axis=(1, 3)) >= 128
    mask = np.kron(cells, np.ones((cell, cell), np.uint8)) * np.uint8(255)
    picture = edit.picture.size
    whole = np.zeros((picture.height, picture.width), bool)
    region = ground.crop_box or Rect(0, 0, picture.width, picture.height)
    rows = (np.arange(region.height) + 0.5) * size.height / region.height
    columns = (np.arange(region.width) + 0.5) * size.width / region.width
    boxes.crop_view(whole, region)[...] = mask[rows.astype(int)][:, columns.astype(int)] > 0
    return whole


@pytest.mark.parametrize(("best", "multiple"), [STARTER, SMALL], ids=["starter", "small"])
def test_no_pixel_of_what_a_picture_gains_is_left_undrawn(best: Size, multiple: int) -> None:
    """200 random pictures and borders, through the sizes that the window would take: nothing stays the smeared edge."""
    random = np.random.default_rng(16)
    cell = 4 if best == STARTER[0] else 8
    for _ in range(100):
        size = Size(
            int(random.integers(best.width // 4, best.width)), int(random.integers(best.width // 4, best.width))
        )
        borders = [8 * int(n) for n in random.integers(0, best.width // 24, 4) * (random.random(4) < 0.6)]
        if not any(borders):
            borders[int(random.integers(4))] = 16
        document = expanded(size, (borders[0], borders[1], borders[2], borders[3]))
        assert document.size is not None
        asked = best.with_aspect_ratio_of(document.size, multiple, 8192)
        asked = best if random.random() < 0.3 else asked  # the user's own size
        edit = expand_edit(document, asked)
        frame = frame_of_edit(edit, asked, multiple)
        where = f"{size} by {borders}, drawn {frame}"
        assert edit.mask is not None
        new = edit.mask.array > 0
        made = drawn_again(edit, frame.drawing_size)
        assert (made[new] == DRAWN).all(), where
        assert (made[~new] == 0).all(), where
        assert latents_drawn(edit, frame.drawing_size, cell)[new].all(), where
        assert not frame.cuts_mask
        assert frame.drawing_size.width % multiple == frame.drawing_size.height % multiple == 0


def test_what_is_drawn_is_hardly_stretched_at_real_sizes() -> None:
    best, multiple = REAL
    random = np.random.default_rng(17)
    for _ in range(200):
        picture = Size(int(random.integers(600, 4000)), int(random.integers(600, 4000)))
        masked = Rect(0, 0, picture.width, picture.height)
        frame = frame_for(FramePolicy(requested_size=best, keep_size=True, size_multiple=multiple), picture, masked)
        assert frame.region == masked
        assert frame.stretch < 1.04
        assert 0.75 < frame.drawing_size.pixel_count / best.pixel_count < 1.4


ASKED = (Size(512, 512), Size(768, 512), Size(256, 768))
PICTURES = (Size(400, 300), Size(300, 400), Size(900, 100), Size(333, 333))


@pytest.mark.parametrize(
    ("picture", "asked"),
    [
        pytest.param(picture, asked, marks=() if number % len(ASKED) == place else pytest.mark.slow)
        for number, picture in enumerate(PICTURES)
        for place, asked in enumerate(ASKED)
    ],
)
def test_a_mask_anywhere_is_drawn_where_it_is(picture: Size, asked: Size) -> None:
    """Also at the very edges: the frame goes there, and the engine draws exactly what it shows."""
    random = np.random.default_rng(3)
    pixels = Raster.from_pixels(np.zeros((picture.height, picture.width, 3), np.uint8))
    for x, y in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5), *random.random((5, 2)).tolist()):
        left, top = round(x * (picture.width - 24)), round(y * (picture.height - 30))
        mask = np.zeros((picture.height, picture.width), np.uint8)
        mask[top : top + 30, left : left + 24] = 255
        edit = EditParameters(picture=pixels, mask=Raster.from_pixels(mask), keep_size=True, grow=4)
        frame = frame_of_edit(edit, asked, 8)
        ground = EditInputs.prepare(edit, frame.drawing_size)
        assert frame.region == ground.crop_box
        assert frame.drawing_size == asked, "a small mask needs no other size"
        assert abs(frame.region.width / frame.region.height / (asked.width / asked.height) - 1) < 0.02
        made = drawn_again(edit, frame.drawing_size)
        assert (made[mask > 0] == DRAWN).all()
        assert (made[mask == 0] == 0).all()


def test_where_a_part_of_the_mask_cannot_be_drawn_the_frame_says_so() -> None:
    """Cropped, and not pasted back: then the result is the crop, and a wide mask does not fit into it."""
    picture, everything = Size(400, 300), Rect(0, 100, 400, 50)
    assert frame_for(FramePolicy(requested_size=Size(256, 256)), picture, everything).cuts_mask
    for policy in (
        FramePolicy(requested_size=Size(256, 256), keep_size=True),
        FramePolicy(requested_size=Size(256, 256), fit=FitMode.PAD),
        FramePolicy(requested_size=Size(256, 256), fit=FitMode.STRETCH),
        FramePolicy(requested_size=Size(256, 256), only_masked=0),
        FramePolicy(requested_size=Size(512, 384)),
    ):
        assert not frame_for(policy, picture, everything).cuts_mask
    left = frame_for(FramePolicy(requested_size=Size(256, 256)), picture, Rect(0, 0, 40, 40))
    assert (left.region, left.cuts_mask) == (Rect(0, 0, 300, 300), False)
