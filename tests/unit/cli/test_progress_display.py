"""Progress reads well on a screen and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sdxl_desktop.cli.progress_display import LineDisplay, LiveDisplay, display_for
from sdxl_desktop.core.events import Phase, Progress


def step(number: int, **more: float) -> Progress:
    return Progress(phase=Phase.DENOISING, step=number, total=30, fraction=number / 30, **more)  # type: ignore[arg-type]


def test_a_screen_gets_a_bar_and_a_log_gets_lines() -> None:
    assert isinstance(display_for(Console(file=io.StringIO(), force_terminal=True)), LiveDisplay)
    assert isinstance(display_for(Console(file=io.StringIO(), force_terminal=False)), LineDisplay)


def test_a_log_has_a_line_for_each_phase_and_every_ten_seconds() -> None:
    now = 0.0
    out = io.StringIO()
    display = LineDisplay(Console(file=out, width=200), clock=lambda: now)
    with display:
        display.show(Progress(phase=Phase.LOADING))
        for number in range(30):
            now += 1.0
            display.show(step(number, seconds_per_step=1.0, seconds_left=90.0 - number))
        display.show(Progress(phase=Phase.DECODING, picture=1, pictures=3))
    assert out.getvalue().splitlines() == [
        "Loading the checkpoint…",
        "Denoising… step 0 of 30, 1 s a step, 1 min 30 s left",
        "Denoising… step 10 of 30, 1 s a step, 1 min 20 s left",
        "Denoising… step 20 of 30, 1 s a step, 1 min 10 s left",
        "Decoding the picture 2 of 3…",
    ]


@pytest.mark.parametrize("seconds", [0.0, 59.4, 61.0, 3723.0])
def test_a_bar_shows_step_and_time_left(seconds: float) -> None:
    out = io.StringIO()
    with LiveDisplay(Console(file=out, force_terminal=True, width=160)) as display:
        display.show(Progress(phase=Phase.COMPILING, detail="unet"))
        display.show(step(3, seconds_left=seconds))
        display.print_message("Hello [not markup]")
    words = {0.0: "0 s", 59.4: "59 s", 61.0: "1 min 1 s", 3723.0: "1 h 2 min"}[seconds]
    assert f"step 3 of 30, {words} left" in out.getvalue()
    assert "Hello [not markup]" in out.getvalue()
