"""A job's progress is a bar on a screen, lines in a log, and events for a program."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import pytest
from rich.console import Console

from sdxl_desktop.cli import job_progress
from sdxl_desktop.cli.job_progress import ProgressFormat, Show, duration, run_with_progress
from sdxl_desktop.cli.progress_display import LogThrottle


@dataclass(frozen=True)
class ProgressAt:
    stage: str
    fraction: float


LOOK: ProgressFormat[ProgressAt] = ProgressFormat(describe=lambda at: f"[{at.stage}]", topic=lambda at: at.stage)


def work(show: Show[ProgressAt]) -> str:
    for step in range(30):
        show(ProgressAt("copying", step / 30))
    show(ProgressAt("é", 1.0))
    return "done"


def test_a_log_has_a_line_for_each_topic_and_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(100))
    monkeypatch.setattr(job_progress, "LogThrottle", lambda: LogThrottle(lambda: next(seconds)))
    out = io.StringIO()
    assert run_with_progress(work, LOOK, Console(file=out), as_json=False) == "done"
    assert out.getvalue().splitlines() == ["[copying]… 0%", "[copying]… 33%", "[copying]… 67%", "[é]… 100%"]


def test_a_program_gets_every_event_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    assert run_with_progress(work, LOOK, Console(file=out, force_terminal=True), as_json=True) == "done"
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(events) == 31
    assert events[-1] == {"event": "progress", "stage": "é", "fraction": 1.0}
    assert out.getvalue() == ""


def test_a_screen_gets_a_bar_that_goes_away(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    assert run_with_progress(work, LOOK, Console(file=out, force_terminal=True, width=100), as_json=False) == "done"
    assert "100%" in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K"), "the last line was erased"
    assert capsys.readouterr().out == ""


def test_durations_are_rough() -> None:
    assert [duration(seconds) for seconds in (0.4, 89.4, 90, 3600)] == ["0 s", "89 s", "2 min", "60 min"]
