"""The frame: which part of the picture a run would see, and at what size that part would be drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sdxl_desktop.core.checks import within
from sdxl_desktop.core.edit import MAX_GROW, MAX_MARGIN, Fit
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.imaging.boxes import around, in_shape
from sdxl_desktop.imaging.fitting import Placement

NEAR_SHAPE = 1.25
"""The factor by which a compiled size's aspect ratio may differ from the wanted one."""
NEAR_AREA = 1.35
"""The factor by which it may have more or fewer pixels than the size that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePolicy:
    """What is asked of a run, as far as it decides the frame.

    `asked` is the drawing size in the panels. `only_masked`, `grow`, `fit` and `keep_size` mean what they mean in an
    `Edit`. `compiled` are the sizes for which the checkpoint need not be compiled any more, `multiple` is what its
    sides must be multiples of.
    """

    asked: Size
    only_masked: int | None = None
    grow: int = 0
    fit: Fit = Fit.CROP
    keep_size: bool = False
    compiled: tuple[Size, ...] = ()
    multiple: int = 8

    def __post_init__(self) -> None:
        if self.only_masked is not None:
            within("The margin around the mask", self.only_masked, 0, MAX_MARGIN)
        within("The growth of the mask", self.grow, 0, MAX_GROW)


@dataclass(frozen=True, slots=True)
class Frame:
    """`region`: the box of the picture that is drawn (beyond it where it is padded); `drawn`: at which size."""

    region: Rect
    drawn: Size

    def is_whole(self, picture: Size) -> bool:
        """Whether it shows exactly the picture."""
        return self.region == Rect(0, 0, picture.width, picture.height)


def frame_for(policy: FramePolicy, picture: Size, masked: Rect | None) -> Frame:
    """The frame of a run on a picture of size `picture`, of which the box `masked` (None: nothing) is masked.

    A result that is pasted back has no size of its own, so a size that is compiled already is taken where one is near.
    One that becomes the picture is drawn at the size that was asked for, never at another.
    """
    if policy.only_masked is not None and masked is not None:
        box = around(masked, policy.only_masked + policy.grow, picture)
        drawn = snapped(box.width / box.height, policy.asked, policy.compiled, policy.multiple)
        return Frame(in_shape(box, drawn, picture), drawn)
    drawn = policy.asked
    if policy.keep_size:
        drawn = snapped(drawn.width / drawn.height, drawn, policy.compiled, policy.multiple)
    return Frame(_seen_whole(picture, drawn, policy.fit), drawn)


def snapped(shape: float, asked: Size, compiled: Iterable[Size], multiple: int) -> Size:
    """The compiled size nearest to the aspect ratio `shape` (width / height) and the area of `asked`; `asked` itself
    where none is near. A size that is no multiple of `multiple` pixels on both sides cannot be drawn and is passed by.
    """

    def off(size: Size) -> tuple[float, float]:
        return abs(math.log(size.width / size.height / shape)), abs(math.log(size.pixels / asked.pixels))

    near = [
        size
        for size in compiled
        if size.width % multiple == 0
        and size.height % multiple == 0
        and off(size)[0] <= math.log(NEAR_SHAPE)
        and off(size)[1] <= math.log(NEAR_AREA)
    ]
    return min(near, key=lambda size: (sum(off(size)), size), default=asked)


def _seen_whole(picture: Size, drawn: Size, fit: Fit) -> Rect:
    """What is seen of a whole picture that is fitted to `drawn`: with PAD more than there is."""
    if fit is Fit.STRETCH or picture.width * drawn.height == picture.height * drawn.width:
        return Rect(0, 0, picture.width, picture.height)
    placement = Placement(picture, drawn, fit)
    if fit is Fit.CROP:
        return placement.used
    place = placement.place
    return Rect(
        -round(place.x * picture.width / place.width),
        -round(place.y * picture.height / place.height),
        round(drawn.width * picture.width / place.width),
        round(drawn.height * picture.height / place.height),
    )
