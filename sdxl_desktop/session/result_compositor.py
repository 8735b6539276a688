"""Blend an inpainted area again with another feather or colour match, from the generated pixels without denoising."""

from __future__ import annotations

from dataclasses import replace

from sdxl_desktop.core.edit import PrefillMode
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.engine.edit_inputs import EditInputs
from sdxl_desktop.imaging import composite, mask_operations
from sdxl_desktop.imaging.boxes import crop_view
from sdxl_desktop.session.compositing import BlendSettings
from sdxl_desktop.session.result_files import Result


class ResultCompositor:
    """Composites one generated picture with any blend, pixel for pixel as `EditInputs.compose_result` does.

    Everything that does not depend on the feather is cached: the new pixels at their place and size, with and without
    matched colours. What remains is one ramp and one paste, in the generated region of the picture.
    """

    def __init__(self, result: Result) -> None:
        edit = result.request.edit
        assert edit is not None
        assert result.picture.generated_pixels is not None
        self._drawn: Pixels = result.picture.generated_pixels
        self._watermarked = result.request.output.watermark
        self._inpaint_inputs = EditInputs.prepare(replace(edit, prefill=PrefillMode.KEEP), result.request.sampling.size)
        self._original, self._mask = self._inpaint_inputs.original_and_mask()
        self._unfeathered_pixels: dict[bool, Pixels] = {}

    def is_for(self, result: Result) -> bool:
        """Whether this composites the generated picture of `result`."""
        return result.picture.generated_pixels is self._drawn

    def blended(self, result: Result, blend: BlendSettings) -> Result:
        """Return `result` blended with `blend`, its request updated. Its file, if any, still holds the old pixels."""
        edit = result.request.edit
        assert edit is not None
        picture = replace(result.picture, pixels=self._pixels(blend))
        return replace(result, picture=picture, request=replace(result.request, edit=blend.applied_to(edit)))

    def _pixels(self, blend: BlendSettings) -> Pixels:
        sharp = self._unfeathered(blend.match_colour)
        region = self._inpaint_inputs.changed_region
        if region is None:
            return composite.composite_over(
                self._original, sharp, mask_operations.inner_fade_alpha(self._mask, blend.feather)
            )
        made = self._original.copy()
        part = crop_view(made, region)
        part[...] = composite.composite_over(
            part,
            crop_view(sharp, region),
            mask_operations.inner_fade_alpha(crop_view(self._mask, region), blend.feather),
        )
        return made

    def _unfeathered(self, matched: bool) -> Pixels:
        """The new pixels under the mask and the original's elsewhere; feathers are cut from it."""
        if matched not in self._unfeathered_pixels:
            edit = BlendSettings(0.0, matched).applied_to(self._inpaint_inputs.edit)
            self._unfeathered_pixels[matched] = replace(self._inpaint_inputs, edit=edit).compose_result(
                self._drawn, add_watermark=self._watermarked
            )
        return self._unfeathered_pixels[matched]
