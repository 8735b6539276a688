"""The frame: which part of the picture a run would see, and at what size that part would be drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sdxl_desktop.core.checks import within
from sdxl_desktop.core.edit import MAX_GROW, MAX_MARGIN, Edit, Fit
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.request import MAX_SIDE, GenerationRequest
from sdxl_desktop.imaging.boxes import around, bounds, cropped, in_shape
from sdxl_desktop.imaging.fitting import Placement

NEAR_SHAPE = 1.25
"""The factor by which a compiled size's aspect ratio may differ from the wanted one."""
SAME_SHAPE = 1.04
"""The factor by which what is seen may be stretched to the size that is drawn before another size is looked for."""
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
    """`region`: the box of the picture that is drawn (beyond it where it is padded); `drawn`: at which size.
    `leaves_out`: a part of the mask lies outside and is not drawn."""

    region: Rect
    drawn: Size
    leaves_out: bool = False

    def is_whole(self, picture: Size) -> bool:
        """Whether it shows exactly the picture."""
        return self.region == Rect(0, 0, picture.width, picture.height)

    @property
    def stretch(self) -> float:
        """By which factor, at least 1, the region is drawn wider or higher than it is."""
        ratio = self.region.width / self.region.height * self.drawn.height / self.drawn.width
        return max(ratio, 1 / ratio)


def frame_for(policy: FramePolicy, picture: Size, masked: Rect | None) -> Frame:
    """The frame of a run on a picture of size `picture`, of which the box `masked` (None: nothing) is masked.

    A result that is pasted back has no size of its own, so a size that is compiled already is taken where one is near,
    and one of the mask's own shape where the mask would not fit. One that becomes the picture is drawn at the size
    that was asked for, never at another.
    """
    if masked is None:
        drawn = _whole_size(policy)
        return Frame(_seen_whole(picture, drawn, policy.fit), drawn)
    if policy.only_masked is not None:
        box = around(masked, policy.only_masked + policy.grow, picture)
        drawn = snapped(box.width / box.height, policy.asked, policy.compiled, policy.multiple)
        return _unstretched(
            policy, Frame(in_shape(box, drawn, picture), drawn), lambda size: in_shape(box, size, picture)
        )
    drawn = _whole_size(policy)
    if policy.fit is not Fit.CROP:
        return Frame(_seen_whole(picture, drawn, policy.fit), drawn)
    box = around(masked, policy.grow, picture)
    if not policy.keep_size:
        region = cropped(drawn, picture, box, widen=False)
        return Frame(region, drawn, leaves_out=region.intersected(masked) != masked)
    frame = Frame(cropped(drawn, picture, box, widen=True), drawn)
    return _unstretched(policy, frame, lambda size: cropped(size, picture, box, widen=True))


def _whole_size(policy: FramePolicy) -> Size:
    """The size at which all that the fit leaves of a picture is drawn."""
    drawn = policy.asked
    if policy.keep_size:
        drawn = snapped(drawn.width / drawn.height, drawn, policy.compiled, policy.multiple)
    return drawn


def _unstretched(policy: FramePolicy, frame: Frame, region: Callable[[Size], Rect]) -> Frame:
    """`frame`, or, where what it holds has another shape than is drawn, one at a size of that shape."""
    if frame.stretch <= SAME_SHAPE:
        return frame
    shape = frame.region.size
    drawn = policy.asked.in_shape_of(shape, policy.multiple, MAX_SIDE)
    drawn = snapped(shape.width / shape.height, drawn, policy.compiled, policy.multiple, near_shape=SAME_SHAPE)
    other = Frame(region(drawn), drawn)
    return min(frame, other, key=lambda one: one.stretch)


def framed(request: GenerationRequest, multiple: int, compiled: tuple[Size, ...] = ()) -> GenerationRequest:
    """`request` drawn at the size that its frame says; as it is without a picture, or from kept latents, which have a
    size. `multiple` and `compiled` are as in `FramePolicy`."""
    edit = request.edit
    if edit is None or request.start is not None:
        return request
    drawn = frame_of(edit, request.sampling.size, multiple, compiled).drawn
    return replace(request, sampling=replace(request.sampling, size=drawn))


def frame_of(edit: Edit, asked: Size, multiple: int, compiled: tuple[Size, ...] = ()) -> Frame:
    """The frame of an edit that is to be drawn at the size `asked`."""
    policy = FramePolicy(
        asked=asked,
        only_masked=edit.only_masked,
        grow=edit.grow if edit.mask is not None else 0,
        fit=edit.fit,
        keep_size=edit.keep_size,
        compiled=compiled,
        multiple=multiple,
    )
    return frame_for(policy, edit.picture.size, None if edit.mask is None else bounds(edit.mask.array))


def snapped(
    shape: float, asked: Size, compiled: Iterable[Size], multiple: int, *, near_shape: float = NEAR_SHAPE
) -> Size:
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
        and off(size)[0] <= math.log(near_shape)
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
