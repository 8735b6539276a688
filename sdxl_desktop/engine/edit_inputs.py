"""The inputs of a run that edits a picture, and composing the generated pixels into that picture."""

from __future__ import annotations

from dataclasses import dataclass

from sdxl_desktop.core.edit import EditParameters, FitMode, PrefillMode
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.imaging import composite, mask_operations, watermark
from sdxl_desktop.imaging.boxes import crop_box_for_target, crop_region, crop_view, mask_bounds
from sdxl_desktop.imaging.fit_transform import FitTransform
from sdxl_desktop.imaging.prefill import prefill_masked_area

MASK_THRESHOLD = 128
"""Pixels with at least this mask value are redrawn; lower values are kept during denoising and blended in the
finished picture."""


@dataclass(frozen=True, slots=True, eq=False)
class EditInputs:
    """`picture` uint8 [H, W, 3] and `mask` uint8 [H, W] (or None) at the generated size, as denoising uses them: the
    picture is prefilled and the mask grown. `crop_box` is the box of the edit's picture that they show, None if
    `fit_transform` applies to the whole picture."""

    edit: EditParameters
    picture: Pixels
    mask: UInt8Array | None
    fit_transform: FitTransform
    crop_box: Rect | None = None

    @classmethod
    def prepare(cls, edit: EditParameters, size: Size) -> EditInputs:
        """Fit the edit's picture and mask to `size`; raises RequestError if the mask becomes empty."""
        source = edit.picture.array
        mask = None
        seen = None
        if edit.mask is not None:
            mask = mask_operations.grow_mask(edit.mask.array, edit.grow) if edit.grow else edit.mask.array
            if edit.only_masked is not None:
                seen = crop_region(mask, size, edit.only_masked, edit.picture.size)
                source, mask = crop_view(source, seen), crop_view(mask, seen)
            if edit.prefill is not PrefillMode.KEEP:
                source = prefill_masked_area(source, mask, edit.prefill)
            if edit.only_masked is None and edit.fit is FitMode.CROP:
                seen = crop_box_for_target(size, edit.picture.size, mask_bounds(mask), widen=edit.keep_size)
                source, mask = crop_view(source, seen), crop_view(mask, seen)
        fit = FitMode.STRETCH if seen is not None else edit.fit
        placement = FitTransform(Size(source.shape[1], source.shape[0]), size, fit)
        fitted = None if mask is None else _fit_mask(placement, mask, soft=edit.soft)
        if fitted is not None and not (fitted.any() if edit.soft else (fitted >= MASK_THRESHOLD).any()):
            raise RequestError(
                "Nothing of the mask is left at the size that is drawn.",
                next_step="Paint a larger or stronger mask, or draw only the masked area.",
            )
        return cls(edit, placement.fit_picture(source), fitted, placement, seen)

    @property
    def is_pasted_back(self) -> bool:
        """Whether the generated pixels are pasted into the whole picture; else the result has the generated size."""
        return self.edit.only_masked is not None or self.edit.keep_size

    @property
    def changed_region(self) -> Rect | None:
        """The box of the result that can contain new pixels; None for the whole result."""
        return self.crop_box if self.is_pasted_back else None

    def original_and_mask(self) -> tuple[Pixels, UInt8Array]:
        """Return the original picture, uint8 [H, W, 3], and the mask, uint8 [H, W], not grown, both at the result's
        size."""
        assert self.edit.mask is not None
        picture, mask = self.edit.picture.array, self.edit.mask.array
        if self.is_pasted_back:
            return picture, mask
        if self.crop_box is not None:
            picture, mask = crop_view(picture, self.crop_box), crop_view(mask, self.crop_box)
        return self.fit_transform.fit_picture(picture), self.fit_transform.fit_mask(mask)

    def compose_result(self, generated: Pixels, *, add_watermark: bool) -> Pixels:
        """Return the final picture made from `generated`, uint8 [H, W, 3] of the generated size.

        With a mask, every pixel where it is 0 equals the original; the invisible watermark is then put into the
        generated pixels only.
        """
        if self.mask is None:
            whole = self.fit_transform.restore(generated, self.edit.picture.array) if self.edit.keep_size else generated
            return watermark.embed(whole) if add_watermark else whole
        if add_watermark:
            generated = watermark.embed(generated)
        picture, mask = self.original_and_mask()
        if not self.is_pasted_back:
            return self._paste(picture, generated, mask)
        if self.crop_box is None:
            return self._paste(picture, self.fit_transform.restore(generated, picture), mask)
        part = crop_view(picture, self.crop_box)
        made = picture.copy()
        crop_view(made, self.crop_box)[...] = self._paste(
            part, self.fit_transform.restore(generated, part), crop_view(mask, self.crop_box)
        )
        return made

    def _paste(self, original: Pixels, new: Pixels, mask: UInt8Array) -> Pixels:
        if self.edit.match_colour:
            new = composite.match_colour(new, original, mask)
        return composite.composite_over(original, new, mask_operations.inner_fade_alpha(mask, self.edit.mask_blur))


def _fit_mask(fit_transform: FitTransform, mask: UInt8Array, *, soft: bool) -> UInt8Array:
    """Return the mask at the generated size. Areas to redraw survive downscaling, however thin they are."""
    fitted = fit_transform.fit_mask(mask)
    if not soft:
        fitted[fit_transform.covered_pixels(mask, MASK_THRESHOLD) & (fitted < MASK_THRESHOLD)] = MASK_THRESHOLD
    return fitted
