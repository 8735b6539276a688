"""The blends of a session: each picture's original blend, and the compositor of the last picture."""

from __future__ import annotations

from sdxl_desktop.core.events import Pixels
from sdxl_desktop.session.compositing import BlendSettings, Compositor, blend_settings_of
from sdxl_desktop.session.result_files import Result


class BlendHistory:
    """The blends of a session: stores each picture's original blend, and the last `Compositor`."""

    def __init__(self) -> None:
        self._last_compositor: Compositor | None = None
        self._originals: list[tuple[Pixels, BlendSettings]] = []

    def original(self, result: Result) -> BlendSettings | None:
        """Return the blend with which `result` was generated."""
        for drawn, blend in self._originals:
            if drawn is result.picture.generated_pixels:
                return blend
        return blend_settings_of(result)

    def blended(self, result: Result, blend: BlendSettings) -> Result:
        """Return `result` blended with `blend`; unchanged if that is impossible or already the case."""
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
        """Drop all pictures that none of `results` shows."""
        kept = {id(result.picture.generated_pixels) for result in results}
        self._originals = [known for known in self._originals if id(known[0]) in kept]
        if self._last_compositor is not None and not any(self._last_compositor.is_for(result) for result in results):
            self._last_compositor = None


def _new_compositor(result: Result) -> Compositor:
    """Imported on first use: its libraries take a while to load, and the window does not wait for them."""
    from sdxl_desktop.session.result_compositor import ResultCompositor

    return ResultCompositor(result)
