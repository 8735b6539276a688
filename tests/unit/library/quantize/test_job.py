"""Progress never falls, ends at one, and crosses between processes unchanged, as do errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.quantization_errors import QuantizationError
from sdxl_desktop.library.quantize.quantization_job import (
    QuantizationJob,
    QuantizationPhase,
    QuantizationProgress,
    QuantizationReporter,
)
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from tests.in_process_jobs import pickle_round_trip


def test_the_fraction_never_falls_even_where_a_part_was_finished_before() -> None:
    reported: list[QuantizationProgress] = []
    seconds = {
        ("vae", QuantizationPhase.COPYING): 1.0,
        ("unet", QuantizationPhase.RECORDING): 8.0,
        ("unet", QuantizationPhase.CALIBRATING): 1.0,
    }
    reporter = QuantizationReporter(reported.append, seconds)
    reporter.begin("vae", QuantizationPhase.CHECKING, 10)
    reporter.advance(10)
    reporter.begin("unet", QuantizationPhase.RECORDING, 4)
    for _ in range(4):
        reporter.advance(1)
    reporter.begin("unet", QuantizationPhase.CALIBRATING, 2)
    reporter.advance(5)
    reporter.report_finishing()
    fractions = [progress.fraction for progress in reported]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any(progress.fraction == pytest.approx(0.9) for progress in reported), "nine tenths after the recording"
    assert all(progress.done <= progress.total for progress in reported)


def test_what_is_reported_crosses_unchanged() -> None:
    progress = QuantizationProgress(phase=QuantizationPhase.RECORDING, part="unet", done=3, total=9, fraction=0.25)
    assert pickle_round_trip(progress) == progress
    for kind in (QuantizationError, CheckpointError):
        back = pickle_round_trip(kind("What.", why="Why.", next_step="Next."))
        assert type(back) is kind
        assert str(back) == "What. Why. Next."


def test_a_job_crosses_unchanged_with_paths_that_mean_the_same_elsewhere() -> None:
    job = QuantizationJob(
        source=Path("a"),
        source_name="ä",
        title="b",
        method=QuantizationMethod.HYBRID,
        calibration=Calibration(
            prompts=("x",), samples=1, steps=1, guidance_scale=1.0, scheduler=SchedulerName.DDIM, size=Size(64, 64)
        ),
        home=Path.cwd() / "h",
        key="k",
        memory_limit=10**10,
    )
    assert pickle_round_trip(job) == replace(job, source=Path.cwd() / "a")
