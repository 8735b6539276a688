"""The status line shows what the next picture needs, and what helps if that exceeds the free resources."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtWidgets import QLabel

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.engine.memory_footprint import MemoryFootprint
from sdxl_desktop.session.forecast import RunForecast
from sdxl_desktop.ui.panels.generate_bar import GenerateBar
from sdxl_desktop.ui.status_line import StatusLine, format_forecast
from tests.ui.widget_lookup import find_child

GB = 2**30
SIZE = Size(512, 512)
FOOTPRINT = MemoryFootprint(text_encoders=GB, unet=5 * GB, vae_decoder=GB // 8)
MEASURED = RunForecast(size=SIZE, seconds=160, peak_memory=int(9.8 * GB), measured=True, footprint=FOOTPRINT)


@pytest.fixture
def status(qtbot: Any) -> StatusLine:
    line = StatusLine()
    qtbot.addWidget(line)
    return line


def test_time_and_memory_are_reported_in_plain_words() -> None:
    assert format_forecast(SIZE, MEASURED) == "Next: 512 × 512, about 2:40, peak 9.8 GB"
    guess = RunForecast(size=SIZE, peak_memory=int(9.8 * GB))
    assert format_forecast(SIZE, guess) == "Next: 512 × 512, peak perhaps 9.8 GB"
    assert format_forecast(SIZE, None) == "Next: 512 × 512"


@pytest.fixture
def shown_texts(status: StatusLine) -> list[str]:
    reported: list[str] = []
    status.shortage_changed.connect(reported.append)
    return reported


def test_what_fits_is_reported_without_alarm(status: StatusLine, shown_texts: list[str]) -> None:
    status.set_forecast(SIZE, RunForecast(size=SIZE, seconds=10, peak_memory=1 << 20, measured=True))
    assert find_child(status, QLabel, "plan").text() == "Next: 512 × 512, about 10 s, peak 1 MB"
    assert shown_texts == []


def test_what_does_not_fit_says_how_much_is_free_and_what_helps(status: StatusLine, shown_texts: list[str]) -> None:
    status.set_forecast(SIZE, RunForecast(size=SIZE, peak_memory=10**15, measured=True, footprint=FOOTPRINT))
    assert "are free" in shown_texts[0]
    assert "close other programs" in shown_texts[0]
    assert "You can try anyway" in shown_texts[0]


def test_what_the_engine_holds_already_counts_as_free(status: StatusLine, shown_texts: list[str]) -> None:
    status.set_forecast(SIZE, RunForecast(size=SIZE, peak_memory=10**15, measured=True))
    assert shown_texts[-1]
    status.set_memory(10**15)
    assert shown_texts[-1] == ""


def test_a_shortage_stands_above_the_button_and_stops_nobody(qtbot: Any) -> None:
    from sdxl_desktop.core.request import GenerationMode

    bar = GenerateBar()
    qtbot.addWidget(bar)
    bar.set_mode(GenerationMode.TEXT_TO_IMAGE, None, ready=True, obstacle="")
    bar.set_shortage("It may not fit.")
    assert not find_child(bar, QLabel, "shortage").isHidden()
    assert bar.generate_button.isEnabled()
    bar.set_shortage("")
    assert find_child(bar, QLabel, "shortage").isHidden()
