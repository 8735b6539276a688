"""How a filled area is blended in, and which blends a sitting remembers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from sdxl_desktop.core.edit import MAX_MASK_BLUR, EditParameters
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.intents import MaskMetrics
from sdxl_desktop.session.result_files import Result

_MIN_MAX_FEATHER = 8.0


@dataclass(frozen=True, slots=True)
class BlendSettings:
    """How new pixels are put into a picture: `feather` pixels of fade inside the mask's edge, colours matched or not.

    These are `mask_blur` and `match_colour` of an `Edit`, the two values that denoising knows nothing of.
    """

    feather: float
    match_colour: bool

    @classmethod
    def from_edit(cls, edit: EditParameters) -> BlendSettings:
        return cls(edit.mask_blur, edit.match_colour)

    def applied_to(self, edit: EditParameters) -> EditParameters:
        return replace(edit, mask_blur=self.feather, match_colour=self.match_colour)


def blend_settings_of(result: Result) -> BlendSettings | None:
    """How `result` is blended now; None where there is nothing to blend, or nothing left to blend it from."""
    edit = result.request.edit
    if edit is None or edit.mask is None or result.picture.generated_pixels is None:
        return None
    at_hand = edit.picture.pixels is not None and edit.mask.pixels is not None
    return BlendSettings.from_edit(edit) if at_hand else None


def max_feather(result: Result) -> float:
    """The widest feather in pixels that makes sense for `result`: beyond it nothing of the new is left whole."""
    edit = result.request.edit
    if blend_settings_of(result) is None or edit is None or edit.mask is None:
        return 0.0
    return min(max(_MIN_MAX_FEATHER, 2 * MaskMetrics.from_mask(edit.mask.array).mean_half_width), MAX_MASK_BLUR)


def same_drawing(one: Result, other: Result) -> bool:
    """Whether both show the same drawing, perhaps blended differently."""
    drawn = one.picture.generated_pixels
    return one.picture.pixels is other.picture.pixels or (drawn is not None and drawn is other.picture.generated_pixels)


class Compositor(Protocol):
    """Blends one drawing again and again."""

    def is_for(self, result: Result) -> bool:
        """Whether this blends the drawing of `result`."""
        ...

    def blended(self, result: Result, blend: BlendSettings) -> Result:
        """`result` blended by `blend`, its request saying so."""
        ...


class BlendHistory:
    """The blends of one sitting: remembers how each drawing was blended first, and the last one's `Blender`."""

    def __init__(self) -> None:
        self._last_compositor: Compositor | None = None
        self._originals: list[tuple[Pixels, BlendSettings]] = []

    def original(self, result: Result) -> BlendSettings | None:
        """How `result` was blended when it was drawn."""
        for drawn, blend in self._originals:
            if drawn is result.picture.generated_pixels:
                return blend
        return blend_settings_of(result)

    def blended(self, result: Result, blend: BlendSettings) -> Result:
        """`result` blended by `blend`; as it is where that cannot be, or is so already."""
        now = blend_settings_of(result)
        if now is None or now == blend:
            return result
        if self._last_compositor is None or not self._last_compositor.is_for(result):
            self._last_compositor = _new_compositor(result)
        if self.original(result) == now and result.picture.generated_pixels is not None and not self._knows(result):
            self._originals.append((result.picture.generated_pixels, now))
        return self._last_compositor.blended(result, blend)

    def _knows(self, result: Result) -> bool:
        return any(drawn is result.picture.generated_pixels for drawn, _ in self._originals)

    def keep_only(self, results: list[Result]) -> None:
        """Let go of every drawing that none of `results` shows."""
        kept = {id(result.picture.generated_pixels) for result in results}
        self._originals = [known for known in self._originals if id(known[0]) in kept]
        if self._last_compositor is not None and not any(self._last_compositor.is_for(result) for result in results):
            self._last_compositor = None


def _new_compositor(result: Result) -> Compositor:
    """Its libraries take a while to load, and no window waits for them before something is blended anew."""
    from sdxl_desktop.session.result_compositor import ResultCompositor

    return ResultCompositor(result)
