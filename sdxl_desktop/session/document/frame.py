"""The frame: which part of the picture a run would see, and at what size that part would be drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sdxl_desktop.core.edit import MAX_GROW, MAX_MARGIN, EditParameters, FitMode
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.request import MAX_SIDE, GenerationRequest
from sdxl_desktop.imaging.boxes import crop_box_for_target, expand_box, expand_to_aspect_ratio, mask_bounds
from sdxl_desktop.imaging.fit_transform import FitTransform

MAX_COMPILED_RATIO_FACTOR = 1.25
"""The factor by which a compiled size's aspect ratio may differ from the wanted one."""
MAX_STRETCH = 1.04
"""The factor by which what is seen may be stretched to the size that is drawn before another size is looked for."""
MAX_AREA_FACTOR = 1.35
"""The factor by which it may have more or fewer pixels than the size that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePolicy:
    """What is asked of a run, as far as it decides the frame.

    `asked` is the drawing size in the panels. `only_masked`, `grow`, `fit` and `keep_size` mean what they mean in an
    `Edit`. `compiled` are the sizes for which the checkpoint need not be compiled any more, `multiple` is what its
    sides must be multiples of.
    """

    requested_size: Size
    only_masked: int | None = None
    grow: int = 0
    fit: FitMode = FitMode.CROP
    keep_size: bool = False
    compiled_sizes: tuple[Size, ...] = ()
    size_multiple: int = 8

    def __post_init__(self) -> None:
        if self.only_masked is not None:
            check_range("The margin around the mask", self.only_masked, 0, MAX_MARGIN)
        check_range("The growth of the mask", self.grow, 0, MAX_GROW)


@dataclass(frozen=True, slots=True)
class Frame:
    """`region`: the box of the picture that is drawn (beyond it where it is padded); `drawn`: at which size.
    `leaves_out`: a part of the mask lies outside and is not drawn."""

    region: Rect
    drawing_size: Size
    cuts_mask: bool = False

    def shows_whole_picture(self, picture: Size) -> bool:
        """Whether it shows exactly the picture."""
        return self.region == Rect(0, 0, picture.width, picture.height)

    @property
    def stretch(self) -> float:
        """By which factor, at least 1, the region is drawn wider or higher than it is."""
        ratio = self.region.width / self.region.height * self.drawing_size.height / self.drawing_size.width
        return max(ratio, 1 / ratio)


def frame_for(policy: FramePolicy, picture: Size, mask_box: Rect | None) -> Frame:
    """The frame of a run on a picture of size `picture`, of which the box `masked` (None: nothing) is masked.

    A result that is pasted back has no size of its own, so a size that is compiled already is taken where one is near,
    and one of the mask's own shape where the mask would not fit. One that becomes the picture is drawn at the size
    that was asked for, never at another.
    """
    if mask_box is None:
        drawn = _drawing_size(policy)
        return Frame(_fitted_region(picture, drawn, policy.fit), drawn)
    if policy.only_masked is not None:
        box = expand_box(mask_box, policy.only_masked + policy.grow, picture)
        drawn = nearest_compiled_size(
            box.width / box.height, policy.requested_size, policy.compiled_sizes, policy.size_multiple
        )
        return _with_least_stretch(
            policy,
            Frame(expand_to_aspect_ratio(box, drawn, picture), drawn),
            lambda size: expand_to_aspect_ratio(box, size, picture),
        )
    drawn = _drawing_size(policy)
    if policy.fit is not FitMode.CROP:
        return Frame(_fitted_region(picture, drawn, policy.fit), drawn)
    box = expand_box(mask_box, policy.grow, picture)
    if not policy.keep_size:
        region = crop_box_for_target(drawn, picture, box, widen=False)
        return Frame(region, drawn, cuts_mask=region.intersected(mask_box) != mask_box)
    frame = Frame(crop_box_for_target(drawn, picture, box, widen=True), drawn)
    return _with_least_stretch(policy, frame, lambda size: crop_box_for_target(size, picture, box, widen=True))


def _drawing_size(policy: FramePolicy) -> Size:
    """The size at which all that the fit leaves of a picture is drawn."""
    drawn = policy.requested_size
    if policy.keep_size:
        drawn = nearest_compiled_size(drawn.width / drawn.height, drawn, policy.compiled_sizes, policy.size_multiple)
    return drawn


def _with_least_stretch(policy: FramePolicy, frame: Frame, region: Callable[[Size], Rect]) -> Frame:
    """`frame`, or, where what it holds has another shape than is drawn, one at a size of that shape."""
    if frame.stretch <= MAX_STRETCH:
        return frame
    shape = frame.region.size
    drawn = policy.requested_size.with_aspect_ratio_of(shape, policy.size_multiple, MAX_SIDE)
    drawn = nearest_compiled_size(
        shape.width / shape.height, drawn, policy.compiled_sizes, policy.size_multiple, max_ratio_factor=MAX_STRETCH
    )
    other = Frame(region(drawn), drawn)
    return min(frame, other, key=lambda one: one.stretch)


def with_frame_size(
    request: GenerationRequest, size_multiple: int, compiled_sizes: tuple[Size, ...] = ()
) -> GenerationRequest:
    """`request` drawn at the size that its frame says; as it is without a picture, or from kept latents, which have a
    size. `multiple` and `compiled` are as in `FramePolicy`."""
    edit = request.edit
    if edit is None or request.start is not None:
        return request
    drawn = frame_of_edit(edit, request.sampling.size, size_multiple, compiled_sizes).drawing_size
    return replace(request, sampling=replace(request.sampling, size=drawn))


def frame_of_edit(
    edit: EditParameters, requested_size: Size, size_multiple: int, compiled_sizes: tuple[Size, ...] = ()
) -> Frame:
    """The frame of an edit that is to be drawn at the size `asked`."""
    policy = FramePolicy(
        requested_size=requested_size,
        only_masked=edit.only_masked,
        grow=edit.grow if edit.mask is not None else 0,
        fit=edit.fit,
        keep_size=edit.keep_size,
        compiled_sizes=compiled_sizes,
        size_multiple=size_multiple,
    )
    return frame_for(policy, edit.picture.size, None if edit.mask is None else mask_bounds(edit.mask.array))


def nearest_compiled_size(
    aspect_ratio: float,
    requested_size: Size,
    compiled_sizes: Iterable[Size],
    size_multiple: int,
    *,
    max_ratio_factor: float = MAX_COMPILED_RATIO_FACTOR,
) -> Size:
    """The compiled size nearest to the aspect ratio `shape` (width / height) and the area of `asked`; `asked` itself
    where none is near. A size that is no multiple of `multiple` pixels on both sides cannot be drawn and is passed by.
    """

    def off(size: Size) -> tuple[float, float]:
        return abs(math.log(size.width / size.height / aspect_ratio)), abs(
            math.log(size.pixel_count / requested_size.pixel_count)
        )

    near = [
        size
        for size in compiled_sizes
        if size.width % size_multiple == 0
        and size.height % size_multiple == 0
        and off(size)[0] <= math.log(max_ratio_factor)
        and off(size)[1] <= math.log(MAX_AREA_FACTOR)
    ]
    return min(near, key=lambda size: (sum(off(size)), size), default=requested_size)


def _fitted_region(picture: Size, drawing_size: Size, fit: FitMode) -> Rect:
    """What is seen of a whole picture that is fitted to `drawn`: with PAD more than there is."""
    if fit is FitMode.STRETCH or picture.width * drawing_size.height == picture.height * drawing_size.width:
        return Rect(0, 0, picture.width, picture.height)
    placement = FitTransform(picture, drawing_size, fit)
    if fit is FitMode.CROP:
        return placement.source_box
    place = placement.target_box
    return Rect(
        -round(place.x * picture.width / place.width),
        -round(place.y * picture.height / place.height),
        round(drawing_size.width * picture.width / place.width),
        round(drawing_size.height * picture.height / place.height),
    )
