"""A picture edited in the real window: its place on the screen, the stroke that is painted over it, and the times."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from sdxl_desktop.core.geometry import Rect
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.project_content import Project, ProjectError
from sdxl_desktop.session.document.project_file import load_project
from sdxl_desktop.session.document.recovery import sidecar_of
from tests.e2e.window_driver import WindowDriver, application, wait_for

STEP = 0.02
"""Seconds between two moves of the pointer."""
EDGE = 48
"""Screen pixels that a stroke keeps from the picture's sides."""


def blue_picture(side: int) -> UInt8Array:
    """A picture of a colour that nothing in the window has, no two pixels alike."""
    pixels = np.random.default_rng(side).integers(0, 60, (side, side, 3), dtype=np.uint8)
    pixels[..., 2] += 180
    return pixels


def is_blue(pixels: UInt8Array) -> npt.NDArray[np.bool_]:
    return (pixels[..., 0] < 70) & (pixels[..., 1] < 70) & (pixels[..., 2] > 170)


def same(one: UInt8Array | None, other: UInt8Array) -> bool:
    return one is not None and np.array_equal(one, other)


@dataclass
class PointerTrail:
    """Where a stroke from left to right was, in the picture's columns, and when."""

    begun: float
    left: int
    zoom: float
    places: list[tuple[float, float]] = field(default_factory=list)

    def note(self, x: int) -> None:
        self.places.append((time.monotonic(), (x - self.left) / self.zoom))

    def at(self, moment: float) -> float:
        """How far it had come; its beginning for earlier moments."""
        return max((place for when, place in self.places if when <= moment), default=self.begun)

    def autosaved_distance(self, mask: UInt8Array | None) -> float:
        """The distance that the stroke has reached in a mask; the first press shows the brush's radius."""
        if mask is None:
            return self.begun
        columns = np.flatnonzero(mask.any(axis=0))
        assert columns.size
        reach = self.begun - int(columns[0])
        return int(columns[-1]) + 1 - reach


@dataclass
class EditingSession:
    """The picture `pixels` on the canvas of an application that has just begun, `on_screen` at that place."""

    driver: WindowDriver
    pixels: UInt8Array
    on_screen: Rect
    came: float

    @property
    def zoom(self) -> float:
        return self.on_screen.width / int(self.pixels.shape[1])

    def take_brush(self) -> None:
        """With the key, once the canvas listens."""
        self.driver.click(self.on_screen.x + EDGE, self.on_screen.y + self.on_screen.height // 2)
        self.driver.send_pointer_command("key", "b")

    def press(self) -> PointerTrail:
        """Begin a stroke at the left; there is something to see of it now."""
        x, y = self.on_screen.x + EDGE, self.on_screen.y + self.on_screen.height // 2
        self.driver.send_pointer_command("mousemove", x, y, "mousedown", 1)
        under = np.s_[y - 10 : y + 10, x - 10 : x + 10]
        wait_for("the paint", lambda: is_blue(self.driver.screen()[under]).mean() < 0.1, every=0.01)
        return PointerTrail((x - self.on_screen.x) / self.zoom, self.on_screen.x, self.zoom)

    def drag(self, trail: PointerTrail, seconds: float) -> Iterator[float]:
        """Go on to the right, at such a pace that the picture's other side is reached in `seconds`; yields the moment
        of every move."""
        start, width = time.monotonic(), self.on_screen.width - 2 * EDGE
        while (gone := (time.monotonic() - start) / seconds) < 1:
            x = round(self.on_screen.x + EDGE + gone * width)
            self.driver.send_pointer_command("mousemove", x, self.on_screen.y + self.on_screen.height // 2)
            trail.note(x)
            yield time.monotonic()

    def stroke(self, seconds: float = 1.0) -> None:
        """A whole stroke."""
        self.take_brush()
        for _ in self.drag(self.press(), seconds):
            time.sleep(STEP)
        self.driver.send_pointer_command("mouseup", 1)

    def autosaved_project(self) -> Project | None:
        """The document in the recovery file as it is now, None while there is none."""
        for file in self.driver.recovery.glob("*.sdxld"):
            try:
                return load_project(file, sidecar_of(file))
            except ProjectError:  # it was replaced while it was being read
                return None
        return None

    def mask_is_autosaved(self) -> bool:
        """Whether the recovery file has a mask by now."""
        kept = self.autosaved_project()
        return kept is not None and kept.mask is not None

    def wait_for_autosave(self, what: str, picture: UInt8Array) -> Project:
        """The recovery file as soon as it has this picture."""

        def found() -> Project | None:
            kept = self.autosaved_project()
            return kept if kept is not None and same(kept.picture, picture) else None

        return wait_for(what, found)


@contextmanager
def editing_session(display: str, home: Path, side: int) -> Iterator[EditingSession]:
    """The application, started with a square picture of that side, which is on the canvas now."""
    home.mkdir(exist_ok=True)
    pixels = blue_picture(side)
    file = home / "sea.png"
    Image.fromarray(pixels).save(file)
    with application(display, home, str(file)) as driver:
        driver.find_window()
        wait_for("the picture", lambda: _place(driver))
        came = time.monotonic()
        yield EditingSession(
            driver, pixels, wait_for("the window to be still", lambda: steady_canvas_rect(driver)), came
        )


def steady_canvas_rect(driver: WindowDriver) -> Rect | None:
    """Where the picture is on the screen; None while it is not there, or moves."""
    first = _place(driver)
    time.sleep(0.1)
    return first if first == _place(driver) else None


def _place(driver: WindowDriver) -> Rect | None:
    rows, columns = np.nonzero(is_blue(driver.screen()))
    if rows.size < 100_000:
        return None
    left, top = int(columns.min()), int(rows.min())
    return Rect(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
