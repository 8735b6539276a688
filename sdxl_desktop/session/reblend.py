"""Blending a filled area in anew: another feather, other colours, from what was drawn and without drawing again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sdxl_desktop.core.edit import MAX_MASK_BLUR, Edit, Prefill
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.intents import Masked
from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.engine.ground import PreparedGround
from sdxl_desktop.imaging import composite, masks
from sdxl_desktop.session.pictures import Result

_LEAST_REACH = 8.0


@dataclass(frozen=True, slots=True)
class Blend:
    """How new pixels are put into a picture: `feather` pixels of fade inside the mask's edge, colours matched or not.

    These are `mask_blur` and `match_colour` of an `Edit`, the two values that denoising knows nothing of.
    """

    feather: float
    match_colour: bool

    @classmethod
    def of(cls, edit: Edit) -> Blend:
        return cls(edit.mask_blur, edit.match_colour)

    def put_into(self, edit: Edit) -> Edit:
        return replace(edit, mask_blur=self.feather, match_colour=self.match_colour)


def blend_of(result: Result) -> Blend | None:
    """How `result` is blended now; None where there is nothing to blend, or nothing left to blend it from."""
    edit = result.request.edit
    if edit is None or edit.mask is None or result.picture.drawn is None:
        return None
    at_hand = edit.picture.pixels is not None and edit.mask.pixels is not None
    return Blend.of(edit) if at_hand else None


def reach(result: Result) -> float:
    """The widest feather in pixels that makes sense for `result`: beyond it nothing of the new is left whole."""
    edit = result.request.edit
    if blend_of(result) is None or edit is None or edit.mask is None:
        return 0.0
    return min(max(_LEAST_REACH, 2 * Masked.of(edit.mask.array).breadth), MAX_MASK_BLUR)


def same_drawing(one: Result, other: Result) -> bool:
    """Whether both show the same drawing, perhaps blended differently."""
    drawn = one.picture.drawn
    return one.picture is other.picture or (drawn is not None and drawn is other.picture.drawn)


class Reblender:
    """Blends one drawing again and again, pixel for pixel as `PreparedGround.finished` does.

    What does not depend on the feather is kept: the new pixels at their place and size, with and without their colours
    matched. What is left is one ramp and one paste, in the part of the picture that was drawn.
    """

    def __init__(self, result: Result) -> None:
        edit = result.request.edit
        assert edit is not None
        assert result.picture.drawn is not None
        self._drawn: Pixels = result.picture.drawn
        self._marked = result.request.output.watermark
        self._ground = PreparedGround.of(replace(edit, prefill=Prefill.KEEP), result.request.sampling.size)
        self._original, self._mask = self._below(edit)
        self._sharp: dict[bool, Pixels] = {}

    def _below(self, edit: Edit) -> tuple[Pixels, Bytes]:
        """The picture and the mask as they meet in the result, both of its size."""
        assert edit.mask is not None
        if self._ground.region is None and not edit.keep_size:
            placement = self._ground.placement
            return placement.picture(edit.picture.array), placement.mask(edit.mask.array)
        return edit.picture.array, edit.mask.array

    def of(self, result: Result) -> bool:
        """Whether this blends the drawing of `result`."""
        return result.picture.drawn is self._drawn

    def blended(self, result: Result, blend: Blend) -> Result:
        """`result` blended by `blend`, its request saying so. Its file, if any, still holds the old pixels."""
        edit = result.request.edit
        assert edit is not None
        picture = replace(result.picture, pixels=self._pixels(blend))
        return replace(result, picture=picture, request=replace(result.request, edit=blend.put_into(edit)))

    def _pixels(self, blend: Blend) -> Pixels:
        sharp = self._unfeathered(blend.match_colour)
        region = self._ground.region
        if region is None:
            return composite.paste(self._original, sharp, masks.fade(self._mask, blend.feather))
        made = self._original.copy()
        part = masks.cut(made, region)
        part[...] = composite.paste(
            part, masks.cut(sharp, region), masks.fade(masks.cut(self._mask, region), blend.feather)
        )
        return made

    def _unfeathered(self, matched: bool) -> Pixels:
        """All of the new pixels under the mask and the original's elsewhere: feathers are cut from it."""
        if matched not in self._sharp:
            edit = Blend(0.0, matched).put_into(self._ground.edit)
            self._sharp[matched] = replace(self._ground, edit=edit).finished(self._drawn, marked=self._marked)
        return self._sharp[matched]


class Blends:
    """The blends of one sitting: remembers how each drawing was blended first, and the last one's `Reblender`."""

    def __init__(self) -> None:
        self._last: Reblender | None = None
        self._first: list[tuple[Pixels, Blend]] = []

    def first(self, result: Result) -> Blend | None:
        """How `result` was blended when it was drawn."""
        for drawn, blend in self._first:
            if drawn is result.picture.drawn:
                return blend
        return blend_of(result)

    def blended(self, result: Result, blend: Blend) -> Result:
        """`result` blended by `blend`; as it is where that cannot be, or is so already."""
        now = blend_of(result)
        if now is None or now == blend:
            return result
        if self._last is None or not self._last.of(result):
            self._last = Reblender(result)
        if self.first(result) == now and result.picture.drawn is not None and not self._knows(result):
            self._first.append((result.picture.drawn, now))
        return self._last.blended(result, blend)

    def _knows(self, result: Result) -> bool:
        return any(drawn is result.picture.drawn for drawn, _ in self._first)

    def forget_but(self, results: list[Result]) -> None:
        """Let go of every drawing that none of `results` shows."""
        kept = {id(result.picture.drawn) for result in results}
        self._first = [known for known in self._first if id(known[0]) in kept]
        if self._last is not None and not any(self._last.of(result) for result in results):
            self._last = None
