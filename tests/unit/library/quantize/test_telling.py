"""Progress never falls, ends at one, and crosses between processes unchanged, as do errors."""

from __future__ import annotations

import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.children.words import Done, UnreadableLineError, done_line, error_line, progress_line
from sdxl_desktop.library.quantize.errors import QuantizationError
from sdxl_desktop.library.quantize.events import QuantizationProgress, Stage, read_line
from sdxl_desktop.library.quantize.job import Job
from sdxl_desktop.library.quantize.telling import Teller


def test_the_fraction_never_falls_even_where_a_part_was_finished_before() -> None:
    told: list[QuantizationProgress] = []
    steps = {("vae", Stage.COPYING): 1.0, ("unet", Stage.RECORDING): 8.0, ("unet", Stage.CALIBRATING): 1.0}
    tell = Teller(told.append, steps)
    tell.stage("vae", Stage.CHECKING, 10)
    tell.advance(10)
    tell.stage("unet", Stage.RECORDING, 4)
    for _ in range(4):
        tell.advance(1)
    tell.stage("unet", Stage.CALIBRATING, 2)
    tell.advance(5)
    tell.finishing()
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any(progress.fraction == pytest.approx(0.9) for progress in told), "nine tenths after the recording"
    assert all(progress.done <= progress.total for progress in told)


def test_what_is_told_crosses_unchanged() -> None:
    progress = QuantizationProgress(stage=Stage.RECORDING, part="unet", done=3, total=9, fraction=0.25)
    assert read_line(progress_line(progress)) == progress
    assert isinstance(read_line(done_line()), Done)
    for kind in (QuantizationError, CheckpointError):
        back = read_line(error_line(kind("What.", why="Why.", next_step="Next.")))
        assert type(back) is kind
        assert str(back) == "What. Why. Next."
    with pytest.raises(UnreadableLineError, match="unknown"):
        read_line(b'{"event": "else"}')


def test_a_job_crosses_unchanged() -> None:
    job = Job(
        source="a", source_name="ä", title="b", method="int8", calibration="", home="h", key="k", memory_limit=10**10
    )
    assert Job.read(job.line()) == job
