"""What a run sees of the picture that it edits, and how what it drew is put back into that picture."""

from __future__ import annotations

from dataclasses import dataclass

from sdxl_desktop.core.edit import Edit, Fit
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.imaging import composite, masks, watermark
from sdxl_desktop.imaging.fitting import Placement

HALF = 128
"""Mask values from here on are redrawn; below they are kept while denoising and fade in the finished picture."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedGround:
    """`picture` uint8 [H, W, 3] and `mask` uint8 [H, W] (or None) at the size that is drawn."""

    edit: Edit
    picture: Pixels
    mask: Bytes | None
    placement: Placement
    region: Rect | None = None

    @classmethod
    def of(cls, edit: Edit, size: Size) -> PreparedGround:
        """Fit the edit's picture to `size`; raises RequestError when nothing of the mask is left by it."""
        source = edit.picture.array
        mask = None if edit.mask is None else edit.mask.array
        region = None
        if edit.only_masked is not None and mask is not None:
            region = masks.crop_region(mask, size, edit.only_masked, edit.picture.size)
            source, mask = _cut(source, region), _cut(mask, region)
        fit = Fit.STRETCH if region is not None else edit.fit
        placement = Placement(Size(source.shape[1], source.shape[0]), size, fit)
        fitted = None if mask is None else placement.mask(mask)
        if fitted is not None and not (fitted >= HALF).any():
            raise RequestError(
                "Nothing of the mask is left in the part of the picture that is drawn.",
                next_step="Paint a larger or stronger mask, draw only the masked area, or fit the picture by padding.",
            )
        return cls(edit, placement.picture(source), fitted, placement, region)

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
        if self.region is None and not self.edit.keep_size:
            return composite.paste(self.picture, drawn, masks.fade(self.mask, self.edit.mask_blur))
        return self._back_in_place(drawn)

    def _back_in_place(self, drawn: Pixels) -> Pixels:
        """The whole original at its own size, with the drawn pixels where its mask is."""
        assert self.edit.mask is not None
        whole = self.edit.picture.array
        part = whole if self.region is None else _cut(whole, self.region)
        new = whole.copy()
        back = self.placement.back(drawn, part)
        if self.region is None:
            new = back
        else:
            new[self.region.y : self.region.bottom, self.region.x : self.region.right] = back
        return composite.paste(whole, new, masks.fade(self.edit.mask.array, self.edit.mask_blur))


def _cut(pixels: Bytes, region: Rect) -> Bytes:
    return pixels[region.y : region.bottom, region.x : region.right]
