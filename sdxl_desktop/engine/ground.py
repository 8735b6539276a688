"""What a run sees of the picture that it edits, and how what it drew is put back into that picture."""

from __future__ import annotations

from dataclasses import dataclass

from sdxl_desktop.core.edit import Edit, Fit, Prefill
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.imaging import composite, masks, watermark
from sdxl_desktop.imaging.boxes import bounds, crop_region, cropped, cut
from sdxl_desktop.imaging.fitting import Placement
from sdxl_desktop.imaging.prefill import prefill

HALF = 128
"""Mask values from here on are redrawn; below they are kept while denoising and fade in the finished picture."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedGround:
    """`picture` uint8 [H, W, 3] and `mask` uint8 [H, W] (or None) at the size that is drawn: what denoising sees, so
    the picture is prefilled and the mask grown. `seen` is the box of the edit's picture that this shows, None where
    `placement` is of all of it."""

    edit: Edit
    picture: Pixels
    mask: Bytes | None
    placement: Placement
    seen: Rect | None = None

    @classmethod
    def of(cls, edit: Edit, size: Size) -> PreparedGround:
        """Fit the edit's picture to `size`; raises RequestError when nothing of the mask is left by it."""
        source = edit.picture.array
        mask = None
        seen = None
        if edit.mask is not None:
            mask = masks.grow(edit.mask.array, edit.grow) if edit.grow else edit.mask.array
            if edit.only_masked is not None:
                seen = crop_region(mask, size, edit.only_masked, edit.picture.size)
                source, mask = cut(source, seen), cut(mask, seen)
            if edit.prefill is not Prefill.KEEP:
                source = prefill(source, mask, edit.prefill)
            if edit.only_masked is None and edit.fit is Fit.CROP:
                seen = cropped(size, edit.picture.size, bounds(mask), widen=edit.keep_size)
                source, mask = cut(source, seen), cut(mask, seen)
        fit = Fit.STRETCH if seen is not None else edit.fit
        placement = Placement(Size(source.shape[1], source.shape[0]), size, fit)
        fitted = None if mask is None else _fitted(placement, mask, soft=edit.soft)
        if fitted is not None and not (fitted.any() if edit.soft else (fitted >= HALF).any()):
            raise RequestError(
                "Nothing of the mask is left at the size that is drawn.",
                next_step="Paint a larger or stronger mask, or draw only the masked area.",
            )
        return cls(edit, placement.picture(source), fitted, placement, seen)

    @property
    def pasted_back(self) -> bool:
        """Whether what is drawn comes back into the whole picture; else the result has the size that is drawn."""
        return self.edit.only_masked is not None or self.edit.keep_size

    @property
    def region(self) -> Rect | None:
        """The box of the result that new pixels can lie in; None for all of it."""
        return self.seen if self.pasted_back else None

    def below(self) -> tuple[Pixels, Bytes]:
        """The picture, uint8 [H, W, 3], and the mask, uint8 [H, W], not grown, as both meet in the result and of its
        size."""
        assert self.edit.mask is not None
        picture, mask = self.edit.picture.array, self.edit.mask.array
        if self.pasted_back:
            return picture, mask
        if self.seen is not None:
            picture, mask = cut(picture, self.seen), cut(mask, self.seen)
        return self.placement.picture(picture), self.placement.mask(mask)

    def finished(self, drawn: Pixels, *, marked: bool) -> Pixels:
        """The picture a person gets from `drawn`, uint8 [H, W, 3] of the drawn size.

        With a mask every pixel where it is 0 is the original's; the invisible watermark is then put into the drawn
        pixels only.
        """
        if self.mask is None:
            whole = self.placement.back(drawn, self.edit.picture.array) if self.edit.keep_size else drawn
            return watermark.embed(whole) if marked else whole
        if marked:
            drawn = watermark.embed(drawn)
        picture, mask = self.below()
        if not self.pasted_back:
            return self._pasted(picture, drawn, mask)
        if self.seen is None:
            return self._pasted(picture, self.placement.back(drawn, picture), mask)
        part = cut(picture, self.seen)
        made = picture.copy()
        cut(made, self.seen)[...] = self._pasted(part, self.placement.back(drawn, part), cut(mask, self.seen))
        return made

    def _pasted(self, original: Pixels, new: Pixels, mask: Bytes) -> Pixels:
        if self.edit.match_colour:
            new = composite.match_colour(new, original, mask)
        return composite.paste(original, new, masks.fade(mask, self.edit.mask_blur))


def _fitted(placement: Placement, mask: Bytes, *, soft: bool) -> Bytes:
    """The mask at the size that is drawn. What is to be redrawn stays so when it is made smaller, however thin."""
    fitted = placement.mask(mask)
    if not soft:
        fitted[placement.touched(mask, HALF) & (fitted < HALF)] = HALF
    return fitted
