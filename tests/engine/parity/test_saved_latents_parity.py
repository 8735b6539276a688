"""Saved latents resume as if the run had not been interrupted, and branch as diffusers does with a new prompt
midway."""

from __future__ import annotations

from dataclasses import replace
from threading import Event as Flag
from typing import Any

import numpy as np
import pytest
import torch

from sdxl_desktop.core.events import EngineEvent, RunFinished
from sdxl_desktop.core.latents import ResumePoint, SavedLatents
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import GenerationRequest, OutputOptions, Prompts
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.engine.engine_protocol import Engine
from tests.engine.parity import pipeline_arguments
from tests.engine.parity.cases import BUILDERS, TOLERANCE, ParityWorkflow, refine_parameters
from tests.engine.parity.diffusers_calls import Floats, PipelineKind
from tests.engine.parity.our_engine import OurEngine
from tests.engine.parity.reference_schedulers import reference_scheduler
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.parity.tolerances import max_difference
from tests.engine.parity.torch_reference import TorchReference

OTHER = Prompts(prompt="the blue sea", negative_prompt="fog")
HISTORIES = [SchedulerName.EULER_ANCESTRAL, SchedulerName.DPMPP_2M, SchedulerName.HEUN, SchedulerName.LMS]
"""Ancestral, multistep, second-order and fourth-order schedulers."""


def kept(engine: Engine, request: GenerationRequest) -> SavedLatents:
    events: list[EngineEvent] = []
    engine.generate(
        replace(request, output=OutputOptions(watermark=False, keep_latents="steps")), events.append, Flag()
    )
    assert isinstance(events[-1], RunFinished), events[-1]
    latents = events[-1].pictures[0].latents
    assert latents is not None
    return latents


@pytest.mark.parametrize("scheduler", HISTORIES)
@pytest.mark.parametrize("workflow", [ParityWorkflow.TEXT, ParityWorkflow.INPAINT])
def test_going_on_from_a_step_ends_where_the_whole_run_ends(
    workflow: ParityWorkflow,
    scheduler: SchedulerName,
    tiny_checkpoints: TinyCheckpoints,
    engine: Engine,
    ours: OurEngine,
) -> None:
    request = BUILDERS[workflow](tiny_checkpoints, scheduler=scheduler)
    latents = kept(engine, request)
    whole = ours.generate_all(request)[0]
    again = ours.generate_all(replace(request, start=ResumePoint(latents, step=3)))[0]
    assert max_difference(again.floats, whole.floats) <= 1e-6


@pytest.mark.parametrize("scheduler", HISTORIES)
def test_a_branch_is_diffusers_given_another_prompt_midway(
    scheduler: SchedulerName,
    tiny_checkpoints: TinyCheckpoints,
    engine: Engine,
    ours: OurEngine,
    reference: TorchReference,
) -> None:
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, scheduler=scheduler)
    branch = replace(request, prompts=OTHER, start=ResumePoint(kept(engine, request), step=3))
    expected = told_midway(reference, request, OTHER, step=3)
    assert max_difference(ours.generate(branch), expected) <= TOLERANCE
    assert max_difference(ours.generate(request), expected) > TOLERANCE, "the other prompt changes nothing"


def told_midway(reference: TorchReference, request: GenerationRequest, other: Prompts, step: int) -> Floats:
    """diffusers' picture when its callback exchanges the embeddings after `step` steps."""
    pipe = reference.pipelines.pipeline(PipelineKind.TEXT_TO_IMAGE, request.checkpoint)
    pipe.scheduler = reference_scheduler(request.sampling.scheduler, pipe.scheduler.config, request.sampling.seed)
    looks = step * pipe.scheduler.order
    with torch.no_grad():
        positive, negative, pooled, negative_pooled = pipe.encode_prompt(
            **pipeline_arguments.prompt_arguments(replace(request, prompts=other))
        )

    def tell(_: Any, look: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if look + 1 != looks:
            return tensors
        return {
            "prompt_embeds": torch.cat([negative, positive]),
            "add_text_embeds": torch.cat([negative_pooled, pooled]),
        }

    size = request.sampling.size
    with torch.no_grad():
        drawn: Floats = pipe(
            **pipeline_arguments.common_arguments(request, request.sampling.seed),
            width=size.width,
            height=size.height,
            output_type="np",
            callback_on_step_end=tell,
            callback_on_step_end_tensor_inputs=["prompt_embeds", "add_text_embeds"],
        ).images[0]
    return drawn


def test_finished_latents_decode_to_the_same_picture(
    tiny_checkpoints: TinyCheckpoints, engine: Engine, ours: OurEngine
) -> None:
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints)
    again = ours.generate_all(replace(request, start=ResumePoint(kept(engine, request))))[0]
    assert np.array_equal(again.pixels, ours.generate_all(request)[0].pixels)


def test_finished_latents_are_refined_as_in_one_run(
    tiny_checkpoints: TinyCheckpoints, engine: Engine, ours: OurEngine, reference: TorchReference
) -> None:
    plain = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints)
    later = replace(
        plain, refine=refine_parameters(tiny_checkpoints, RefinerMode.IMG2IMG), start=ResumePoint(kept(engine, plain))
    )
    assert max_difference(ours.generate(later), reference.generate(replace(later, start=None))) <= TOLERANCE
