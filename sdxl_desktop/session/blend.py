"""How a filled area is blended in, and which blends a sitting remembers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from sdxl_desktop.core.edit import MAX_MASK_BLUR, Edit
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.intents import Masked
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
    return one.picture.pixels is other.picture.pixels or (drawn is not None and drawn is other.picture.drawn)


class Blender(Protocol):
    """Blends one drawing again and again."""

    def of(self, result: Result) -> bool:
        """Whether this blends the drawing of `result`."""
        ...

    def blended(self, result: Result, blend: Blend) -> Result:
        """`result` blended by `blend`, its request saying so."""
        ...


class Blends:
    """The blends of one sitting: remembers how each drawing was blended first, and the last one's `Blender`."""

    def __init__(self) -> None:
        self._last: Blender | None = None
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
            self._last = _reblender(result)
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


def _reblender(result: Result) -> Blender:
    """Its libraries take a while to load, and no window waits for them before something is blended anew."""
    from sdxl_desktop.session.reblend import Reblender

    return Reblender(result)
