"""Blending a filled area in anew: another feather, other colours, from what was drawn and without drawing again."""

from __future__ import annotations

from dataclasses import replace

from sdxl_desktop.core.edit import Prefill
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.engine.ground import PreparedGround
from sdxl_desktop.imaging import composite, masks
from sdxl_desktop.imaging.boxes import cut
from sdxl_desktop.session.blend import Blend
from sdxl_desktop.session.pictures import Result


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
        self._original, self._mask = self._ground.below()
        self._sharp: dict[bool, Pixels] = {}

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
        part = cut(made, region)
        part[...] = composite.paste(part, cut(sharp, region), masks.fade(cut(self._mask, region), blend.feather))
        return made

    def _unfeathered(self, matched: bool) -> Pixels:
        """All of the new pixels under the mask and the original's elsewhere: feathers are cut from it."""
        if matched not in self._sharp:
            edit = Blend(0.0, matched).put_into(self._ground.edit)
            self._sharp[matched] = replace(self._ground, edit=edit).finished(self._drawn, marked=self._marked)
        return self._sharp[matched]
