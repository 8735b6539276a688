"""A picture is edited with keys and mouse from start to finish; and whenever the application is killed, its work is
there at the next start: whole, one that there really was, and no older than five seconds."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.project_content import Project
from sdxl_desktop.session.document.recovery import CloseState, find_recoverable
from tests.e2e.editing_session import (
    STEP,
    EditingSession,
    PointerTrail,
    editing_session,
    is_blue,
    same,
    steady_canvas_rect,
)
from tests.e2e.window_driver import WindowDriver, application, wait_for

OLDEST = 5.0
"""Seconds that recovered work may lag behind what was on the screen."""
SLACK = 3.0
"""Columns of the picture: what rounding, and a pointer between two moves, can make."""
SMALL, LARGE = 256, 1024

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="drives an X display"),
    pytest.mark.timeout(900),
]


def pixels_of(file: Path) -> UInt8Array:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


# start to finish


def test_a_picture_is_edited_from_start_to_finish(display: str, home: Path) -> None:
    """Open, write, paint, fill, apply, undo, redo, quit."""
    with editing_session(display, home, SMALL) as at:
        driver = at.driver
        driver.type_text("a red heart")
        at.stroke()
        driver.press_keys("ctrl+Return")
        (drawn,) = wait_for("the candidate", driver.pictures)
        result = pixels_of(drawn)
        driver.press_keys("Return")
        kept = at.wait_for_autosave("the applied result", result)
        assert kept.workspace is not None
        assert kept.workspace.prompts.prompt == "a red heart"
        assert kept.mask is not None
        changed = (result != at.pixels).any(axis=2)
        assert not changed[kept.mask == 0].any(), "outside the mask nothing changes"
        assert changed[kept.mask == 255].mean() > 0.9, "and inside all is new"

        driver.press_keys("ctrl+z")
        at.wait_for_autosave("the picture as it was", at.pixels)
        driver.press_keys("ctrl+y")
        at.wait_for_autosave("the result once more", result)
        driver.quit()
        assert left_in(driver) == [CloseState.CLOSED], "the next start goes on here"


def test_after_a_kill_the_next_start_offers_the_work_and_brings_it_back(display: str, home: Path) -> None:
    with editing_session(display, home, SMALL) as at:
        at.stroke()
        wait_for("the mask to be kept", at.mask_is_autosaved)
        at.driver.kill()
    with application(display, home) as driver:
        driver.find_window()
        driver.click(*wait_for("the offer", lambda: offer(driver)))
        place = wait_for("the picture", lambda: steady_canvas_rect(driver))
        x, y = place.x + place.width // 2, place.y + place.height // 2
        assert not is_blue(driver.screen()[y - 10 : y + 10, x - 10 : x + 10]).any(), "with the mask over it"
        driver.quit()
        assert left_in(driver) == [CloseState.CLOSED], "it was taken over, and not kept twice"


def left_in(driver: WindowDriver) -> list[CloseState]:
    """The close states of the recovery files."""
    found = find_recoverable(driver.recovery)
    for one in found:
        one.release()
    return [one.close_state for one in found]


def offer(driver: WindowDriver) -> tuple[int, int] | None:
    """Where at the foot of the empty canvas something is written in the colour of links."""
    screen = driver.screen().astype(int)
    teal = (screen[..., 1] > screen[..., 0] + 60) & (screen[..., 1] > screen[..., 2] + 10)
    teal[:640] = teal[770:] = teal[:, :420] = False
    rows, columns = np.nonzero(teal)
    return (int(columns.mean()), int(rows.mean())) if rows.size > 50 else None


# kills


class Kill:
    """One kill at a moment of chance, in a home of its own, and what is found after it."""

    def __init__(self, display: str, home: Path, seed: int) -> None:
        self.display, self.home = display, home
        self.rng = random.Random(seed)

    def in_a_stroke(self) -> None:
        """With the button down, at any moment of the first ten seconds."""
        with editing_session(self.display, self.home, LARGE) as at:
            at.take_brush()
            trail = at.press()
            end = at.came + self.rng.uniform(2, 10)
            for moment in at.drag(trail, 12):
                if moment > end:
                    break
                time.sleep(STEP)
            check_stroke(at, trail, at.driver.kill())

    def in_an_autosave(self) -> bool:
        """While one of the first three is being written; whether it was caught in the act."""
        with editing_session(self.display, self.home, LARGE) as at:
            at.take_brush()
            trail = at.press()
            number, more = self.rng.randint(1, 3), self.rng.uniform(0, 0.003)
            seen = False
            for moment in at.drag(trail, 15):
                while not (writes := writing(at.driver)) and time.monotonic() < moment + STEP:
                    time.sleep(0.0003)
                number -= writes and not seen
                seen = writes
                if number == 0:
                    time.sleep(more)
                    break
            killed = at.driver.kill()
            assert number == 0, "the document is kept again and again while it changes"
            caught = writing(at.driver)
            check_stroke(at, trail, killed)
            return caught

    def in_an_apply(self) -> None:
        """Just after the key that takes a candidate over, or while what has become of the picture is written."""
        with editing_session(self.display, self.home, SMALL) as at:
            at.stroke()
            at.driver.press_keys("ctrl+Return")
            (drawn,) = wait_for("the candidate", at.driver.pictures)
            wait_for("the mask to be kept", at.mask_is_autosaved)
            at.driver.send_pointer_command("key", "Return")
            time.sleep(self.rng.uniform(0, 0.1))
            if self.rng.random() < 0.5:
                wait_for("the next autosave", lambda: writing(at.driver) or None, every=0.0003)
            project = found(at, at.driver.kill())
            assert project is not None
            assert any(same(project.picture, there_was) for there_was in (at.pixels, pixels_of(drawn)))
            assert project.mask is not None, "it had been kept, and stays"


def writing(driver: WindowDriver) -> bool:
    """Whether something in the recovery folder is half written."""
    with suppress(FileNotFoundError):  # it comes and goes
        return any(".part-" in path.name for path in driver.recovery.rglob("*"))
    return False


def found(at: EditingSession, killed: float) -> Project | None:
    """What the next start finds: one document that can be read, or none while the picture was new."""
    left = find_recoverable(at.driver.recovery)
    assert not list(at.driver.recovery.glob(".*.part-*")), "a half-written document is swept away"
    if not left:
        assert killed - at.came < OLDEST
        return None
    (one,) = left
    try:
        return one.load()
    finally:
        one.release()


def check_stroke(at: EditingSession, trail: PointerTrail, killed: float) -> None:
    """The picture is the one that came in; of the stroke there is what was painted five seconds ago, or more."""
    project = found(at, killed)
    if project is None:
        return
    assert same(project.picture, at.pixels)
    assert trail.at(killed - OLDEST) - SLACK <= trail.autosaved_distance(project.mask) <= trail.at(killed) + SLACK


def again_and_again(home: Path, display: str, kill: Callable[[Kill], bool | None], times: int) -> int:
    """The number of kills that hit the wanted moment, as `kill` reports."""
    return sum(bool(kill(Kill(display, home / str(seed), seed))) for seed in range(times))


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_killed_in_thirty_four_strokes(display: str, home: Path) -> None:
    """About six minutes."""
    again_and_again(home, display, Kill.in_a_stroke, 34)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_killed_in_thirty_three_autosaves(display: str, home: Path) -> None:
    """About five minutes."""
    caught = again_and_again(home, display, Kill.in_an_autosave, 33)
    assert caught >= 16, "a kill must really hit a file that is being written"


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_killed_in_thirty_three_applies(display: str, home: Path) -> None:
    """About ten minutes, since a candidate is drawn each time."""
    again_and_again(home, display, Kill.in_an_apply, 33)
