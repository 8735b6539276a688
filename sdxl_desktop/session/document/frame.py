"""The frame: which part of the picture a run processes, and at which size it is generated."""

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
"""Maximum factor between the aspect ratios of a compiled size and the requested one."""
MAX_STRETCH = 1.04
"""Maximum stretch from the region to the drawing size before another size is chosen."""
MAX_AREA_FACTOR = 1.35
"""Maximum factor between the pixel counts of the chosen and the requested size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePolicy:
    """The parameters of a run that determine the frame.

    `requested_size` is the size set in the panels. `only_masked`, `grow`, `fit` and `keep_size` are as in
    `EditParameters`. `compiled_sizes` are sizes for which the checkpoint is already compiled; each side must be a
    multiple of `size_multiple`.
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
    """`region`: the box of the picture that is generated (it exceeds the picture where padded), at `drawing_size`.
    `cuts_mask`: a part of the mask lies outside the region and is not generated."""

    region: Rect
    drawing_size: Size
    cuts_mask: bool = False

    def shows_whole_picture(self, picture: Size) -> bool:
        """Whether the region is exactly the whole picture."""
        return self.region == Rect(0, 0, picture.width, picture.height)

    @property
    def stretch(self) -> float:
        """The factor, at least 1, between the aspect ratios of the region and the drawing size."""
        ratio = self.region.width / self.region.height * self.drawing_size.height / self.drawing_size.width
        return max(ratio, 1 / ratio)


def frame_for(policy: FramePolicy, picture: Size, mask_box: Rect | None) -> Frame:
    """Return the frame of a run on a picture of size `picture`, masked within `mask_box` (None: no mask).

    A result that is pasted back has no size of its own, so a nearby compiled size is used if there is one, or a size of
    the mask's aspect ratio if the mask would not fit. A result that replaces the picture always has the requested size.
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
    """The size at which the part of a picture that remains after fitting is generated."""
    drawn = policy.requested_size
    if policy.keep_size:
        drawn = nearest_compiled_size(drawn.width / drawn.height, drawn, policy.compiled_sizes, policy.size_multiple)
    return drawn


def _with_least_stretch(policy: FramePolicy, frame: Frame, region: Callable[[Size], Rect]) -> Frame:
    """Return `frame`, or, if its content has another aspect ratio than the drawing size, one at a matching size."""
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
    """Return `request` at the drawing size of its frame. Requests without a picture are unchanged, and so are those
    that resume from saved latents, which fix the size. `size_multiple` and `compiled_sizes` are as in `FramePolicy`."""
    edit = request.edit
    if edit is None or request.start is not None:
        return request
    drawn = frame_of_edit(edit, request.sampling.size, size_multiple, compiled_sizes).drawing_size
    return replace(request, sampling=replace(request.sampling, size=drawn))


def frame_of_edit(
    edit: EditParameters, requested_size: Size, size_multiple: int, compiled_sizes: tuple[Size, ...] = ()
) -> Frame:
    """Return the frame of an edit requested at `requested_size`."""
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
    """Return the compiled size nearest to `aspect_ratio` (width / height) and the area of `requested_size`, or
    `requested_size` if none is near. Sizes whose sides are not multiples of `size_multiple` are skipped."""

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
    """The region of a whole picture fitted to `drawing_size`; with PAD it exceeds the picture."""
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
