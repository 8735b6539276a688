"""A run that was paused at a step ends in the same picture, bit for bit, even after its state was on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.events import PictureFinished, Progress, RunFinished, RunPaused
from sdxl_desktop.core.latents import ResumePoint
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import OutputOptions
from sdxl_desktop.core.schedulers import EDM_SCHEDULERS, NON_EDM_SCHEDULERS, SchedulerName
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.engine_protocol import Pausing
from sdxl_desktop.metadata.paused_files import read_paused_run, write_paused_run
from tests.engine.conftest import RecordedEvents, generate
from tests.engine.parity.cases import BUILDERS, ParityWorkflow, inpaint_edit, refine_parameters
from tests.engine.parity.test_noise_schedules import PLAYGROUND
from tests.engine.scheduler_cases import scheduler_params
from tests.typed import not_none

STEPS = 5


def draw_until(
    engine: Any, request: Any, stop: Callable[[Progress], bool], paused: PausedRun | None = None
) -> RecordedEvents:
    """Draw, or continue, and pause at the first progress for which `stop` is true."""
    recorded, asked = RecordedEvents(), Flag()

    def hear(event: Any) -> None:
        recorded.events.append(event)
        if isinstance(event, Progress) and stop(event):
            asked.set()

    engine.generate(request, hear, Flag(), Pausing(asked, paused))
    return recorded


def paused_state(told: RecordedEvents, folder: Path) -> PausedRun:
    """What the run was paused with, after it was written to a file and read again."""
    assert isinstance(told.last, RunPaused), told.last
    write_paused_run(folder / "paused.safetensors", told.last.paused)
    again = read_paused_run(folder / "paused.safetensors")
    assert again == told.last.paused
    return again


def is_at(step: int, event: Progress) -> bool:
    return event.step == step


def check_pause_changes_nothing(engine: Any, request: Any, folder: Path, *steps: int) -> RecordedEvents:
    """Compare a run that is paused after each of `steps` with one that is not; return what the last part told."""
    request = replace(request, output=OutputOptions(keep_latents="steps"))
    whole = generate(engine, request).picture
    paused = None
    for step in steps:
        told = draw_until(engine, request, partial(is_at, step), paused)
        paused = paused_state(told, folder)
        assert paused.step == step
    told = draw_until(engine, request, lambda event: False, paused)
    assert np.array_equal(told.picture.pixels, whole.pixels)
    latents, expected = not_none(told.picture.latents), not_none(whole.latents)
    assert np.array_equal(latents.final, expected.final)
    assert np.array_equal(not_none(latents.predictions), not_none(expected.predictions))
    assert told.picture.notes == whole.notes
    return told


@pytest.mark.parametrize("scheduler", scheduler_params())
def test_every_scheduler_continues_exactly(scheduler: Any, engine: Any, request_for: Any, tmp_path: Path) -> None:
    """History of multistep schedulers, half steps and noise on the way included."""
    check_pause_changes_nothing(engine, request_for(scheduler=scheduler, steps=STEPS), tmp_path, 2)


@pytest.mark.parametrize("scheduler", EDM_SCHEDULERS)
def test_edm_schedulers_continue_exactly(
    scheduler: Any, engine: Any, request_for: Any, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_checkpoint / "ov", tmp_path / "edm")
    (tmp_path / "edm" / "scheduler" / "scheduler_config.json").write_text(json.dumps(PLAYGROUND))
    request = request_for(scheduler=scheduler, steps=STEPS, checkpoint=tmp_path / "edm")
    check_pause_changes_nothing(engine, request, tmp_path, 3)


EDITS_AND_REFINERS = {
    ParityWorkflow.IMAGE: (2, 3),
    ParityWorkflow.INPAINT: (2,),
    ParityWorkflow.INPAINT_9: (2,),
    ParityWorkflow.ENSEMBLE: (3, 9),
    ParityWorkflow.RETOUCH: (11,),
    ParityWorkflow.INPAINT_ENSEMBLE: (4,),
    ParityWorkflow.INPAINT_RETOUCH: (2, 7),
    ParityWorkflow.FEW_STEP: (2,),
}
"""The steps to pause after: in the base's stage, and in the refiner's."""
GRID = [
    pytest.param(workflow, scheduler, id=f"{workflow}-{scheduler}", marks=[pytest.mark.slow] * (scheduler != fast))
    for workflow, fast in zip(
        EDITS_AND_REFINERS,
        (
            *(SchedulerName.DPMPP_2M_SDE, SchedulerName.EULER_ANCESTRAL, SchedulerName.UNIPC),
            *(SchedulerName.DPMPP_3M_SDE, SchedulerName.HEUN, SchedulerName.LMS, SchedulerName.EULER),
            SchedulerName.LCM,
        ),
        strict=True,
    )
    for scheduler in (NON_EDM_SCHEDULERS if workflow is not ParityWorkflow.FEW_STEP else (fast,))
]


@pytest.mark.parametrize(("workflow", "scheduler"), GRID)
def test_every_workflow_continues_exactly(
    workflow: ParityWorkflow, scheduler: Any, engine: Any, tiny_checkpoints: Any, tmp_path: Path
) -> None:
    request = BUILDERS[workflow](tiny_checkpoints, scheduler=scheduler)
    check_pause_changes_nothing(engine, request, tmp_path, *EDITS_AND_REFINERS[workflow])


def test_soft_inpainting_continues_exactly(engine: Any, tiny_checkpoints: Any, tmp_path: Path) -> None:
    request = BUILDERS[ParityWorkflow.INPAINT](tiny_checkpoints, edit=replace(inpaint_edit(), soft=True))
    check_pause_changes_nothing(engine, request, tmp_path, 2)


@pytest.mark.parametrize("speed", [SpeedPreset.BALANCED, SpeedPreset.FAST])
@pytest.mark.parametrize("step", [3, 4, 5])
def test_step_caching_continues_exactly(
    speed: SpeedPreset, step: int, engine: Any, request_for: Any, deep_checkpoint: Path, tmp_path: Path
) -> None:
    """The deep features of earlier calls are computed again from their replayed inputs."""
    request = request_for(checkpoint=deep_checkpoint / "ov", steps=8, speed=speed, guidance_scale=5.0)
    check_pause_changes_nothing(engine, request, tmp_path, step)


def test_several_pictures_continue_with_the_one_that_was_begun(engine: Any, request_for: Any, tmp_path: Path) -> None:
    request = request_for(scheduler=SchedulerName.EULER_ANCESTRAL, steps=4, count=3)
    whole = generate(engine, request).finished.pictures
    told = draw_until(engine, request, lambda event: (event.picture, event.step) == (1, 2))
    first = [event.picture for event in told.of_type(PictureFinished)]
    paused = paused_state(told, tmp_path)
    assert (paused.picture, paused.step, paused.steps) == (1, 2, 4)
    rest = draw_until(engine, request, lambda event: False, paused)
    assert isinstance(rest.last, RunFinished)
    drawn = [*first, *(event.picture for event in rest.of_type(PictureFinished))]
    assert [(one.index, one.seed) for one in drawn] == [(one.index, one.seed) for one in whole]
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(drawn, whole, strict=True))


def test_a_pause_before_the_first_step_keeps_nothing_but_the_place(engine: Any, request_for: Any) -> None:
    before = draw_until(engine, request_for(count=2), lambda event: True)
    assert isinstance(before.last, RunPaused)
    assert before.last.paused == PausedRun()


def test_a_branch_from_kept_latents_can_be_paused(engine: Any, request_for: Any, tmp_path: Path) -> None:
    request = replace(
        request_for(steps=STEPS, scheduler=SchedulerName.UNIPC), output=OutputOptions(keep_latents="steps")
    )
    latents = not_none(generate(engine, request).picture.latents)
    other = replace(request, prompts=replace(request.prompts, prompt="the blue sea"), start=ResumePoint(latents, 2))
    check_pause_changes_nothing(engine, other, tmp_path, 4)


def test_finished_latents_that_a_refiner_retouches_can_be_paused(
    engine: Any, request_for: Any, tiny_checkpoints: Any, tmp_path: Path
) -> None:
    request = replace(request_for(), output=OutputOptions(keep_latents="final"))
    latents = not_none(generate(engine, request).picture.latents)
    refine = refine_parameters(tiny_checkpoints, RefinerMode.IMG2IMG, strength=0.9, steps=6)
    check_pause_changes_nothing(engine, replace(request, start=ResumePoint(latents), refine=refine), tmp_path, 3)


@pytest.mark.parametrize("changed", ["content", "latents"])
def test_what_cannot_be_continued_exactly_is_drawn_from_the_beginning_and_says_so(
    changed: str, engine: Any, request_for: Any, tmp_path: Path
) -> None:
    request = request_for(steps=STEPS)
    whole = generate(engine, request).picture
    paused = paused_state(draw_until(engine, request, lambda event: event.step == 2), tmp_path)
    other: dict[str, Any] = (
        {"content": "another"} if changed == "content" else {"latents": not_none(paused.latents) + 1}
    )
    told = draw_until(engine, request, lambda event: False, replace(paused, **other))
    assert np.array_equal(told.picture.pixels, whole.pixels)
    assert any("from the beginning" in note for note in told.picture.notes)
