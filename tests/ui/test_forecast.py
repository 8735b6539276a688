"""Below the window stands what the next picture takes, and what helps where that is more than there is."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtWidgets import QLabel

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.engine.footprint import Footprint
from sdxl_desktop.session.forecast import Forecast
from sdxl_desktop.ui.panels.generate import GenerateBar
from sdxl_desktop.ui.status import StatusLine, plan_text
from tests.ui.typed import child

GB = 2**30
SIZE = Size(512, 512)
FOOTPRINT = Footprint(encoders=GB, unet=5 * GB, decoder=GB // 8)
MEASURED = Forecast(size=SIZE, seconds=160, peak=int(9.8 * GB), measured=True, footprint=FOOTPRINT)


@pytest.fixture
def status(qtbot: Any) -> StatusLine:
    line = StatusLine()
    qtbot.addWidget(line)
    return line


def test_time_and_memory_are_told_in_plain_words() -> None:
    assert plan_text(SIZE, MEASURED) == "Next: 512 × 512, about 2:40, peak 9.8 GB"
    guess = Forecast(size=SIZE, peak=int(9.8 * GB))
    assert plan_text(SIZE, guess) == "Next: 512 × 512, peak perhaps 9.8 GB"
    assert plan_text(SIZE, None) == "Next: 512 × 512"


@pytest.fixture
def told(status: StatusLine) -> list[str]:
    told: list[str] = []
    status.shortage_changed.connect(told.append)
    return told


def test_what_fits_is_told_without_alarm(status: StatusLine, told: list[str]) -> None:
    status.show_plan(SIZE, Forecast(size=SIZE, seconds=10, peak=1 << 20, measured=True))
    assert child(status, QLabel, "plan").text() == "Next: 512 × 512, about 10 s, peak 1 MB"
    assert told == []


def test_what_does_not_fit_says_how_much_is_free_and_what_helps(status: StatusLine, told: list[str]) -> None:
    status.show_plan(SIZE, Forecast(size=SIZE, peak=10**15, measured=True, footprint=FOOTPRINT))
    assert "are free" in told[0]
    assert "close other programs" in told[0]
    assert "You can try anyway" in told[0]


def test_what_the_engine_holds_already_counts_as_free(status: StatusLine, told: list[str]) -> None:
    status.show_plan(SIZE, Forecast(size=SIZE, peak=10**15, measured=True))
    assert told[-1]
    status.show_memory(10**15)
    assert told[-1] == ""


def test_a_shortage_stands_above_the_button_and_stops_nobody(qtbot: Any) -> None:
    from sdxl_desktop.core.request import Mode

    bar = GenerateBar()
    qtbot.addWidget(bar)
    bar.show_purpose(Mode.TEXT_TO_IMAGE, None, ready=True, obstacle="")
    bar.show_shortage("It may not fit.")
    assert not child(bar, QLabel, "shortage").isHidden()
    assert bar.button.isEnabled()
    bar.show_shortage("")
    assert child(bar, QLabel, "shortage").isHidden()
