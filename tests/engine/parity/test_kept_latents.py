"""Kept latents go on as if nothing had been interrupted, and branch as diffusers does when it is told midway."""

from __future__ import annotations

from dataclasses import replace
from threading import Event as Flag
from typing import Any

import numpy as np
import pytest
import torch

from sdxl_desktop.core.events import Event, Finished
from sdxl_desktop.core.latents import KeptLatents, Start
from sdxl_desktop.core.refine import RefineWay
from sdxl_desktop.core.request import GenerationRequest, Output, Prompts
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.engine.protocol import Engine
from tests.engine.parity import words
from tests.engine.parity.cases import BUILDERS, TOLERANCE, Workflow, refined
from tests.engine.parity.diffusers_calls import Floats, Kind
from tests.engine.parity.family import TinyFamily
from tests.engine.parity.measure import difference
from tests.engine.parity.ours import Ours
from tests.engine.parity.schedulers import reference_scheduler
from tests.engine.parity.torch_reference import TorchReference

OTHER = Prompts(prompt="the blue sea", negative_prompt="fog")
HISTORIES = [SchedulerName.EULER_ANCESTRAL, SchedulerName.DPMPP_2M, SchedulerName.HEUN, SchedulerName.LMS]
"""They draw noise on the way, remember earlier steps, look twice, and remember four steps."""


def kept(engine: Engine, request: GenerationRequest) -> KeptLatents:
    events: list[Event] = []
    engine.generate(replace(request, output=Output(watermark=False, keep_latents="steps")), events.append, Flag())
    assert isinstance(events[-1], Finished), events[-1]
    latents = events[-1].pictures[0].latents
    assert latents is not None
    return latents


@pytest.mark.parametrize("scheduler", HISTORIES)
@pytest.mark.parametrize("workflow", [Workflow.TEXT, Workflow.INPAINT])
def test_going_on_from_a_step_ends_where_the_whole_run_ends(
    workflow: Workflow, scheduler: SchedulerName, family: TinyFamily, engine: Engine, ours: Ours
) -> None:
    request = BUILDERS[workflow](family, scheduler=scheduler)
    latents = kept(engine, request)
    whole = ours.drawings(request)[0]
    again = ours.drawings(replace(request, start=Start(latents, step=3)))[0]
    assert difference(again.floats, whole.floats) <= 1e-6


@pytest.mark.parametrize("scheduler", HISTORIES)
def test_a_branch_is_diffusers_told_another_prompt_midway(
    scheduler: SchedulerName, family: TinyFamily, engine: Engine, ours: Ours, reference: TorchReference
) -> None:
    request = BUILDERS[Workflow.TEXT](family, scheduler=scheduler)
    branch = replace(request, prompts=OTHER, start=Start(kept(engine, request), step=3))
    expected = told_midway(reference, request, OTHER, step=3)
    assert difference(ours.draw(branch), expected) <= TOLERANCE
    assert difference(ours.draw(request), expected) > TOLERANCE, "the other prompt changes nothing"


def told_midway(reference: TorchReference, request: GenerationRequest, other: Prompts, step: int) -> Floats:
    """diffusers' picture when its callback exchanges the embeddings after `step` steps."""
    pipe = reference.pipelines.pipeline(Kind.TEXT_TO_IMAGE, request.checkpoint)
    pipe.scheduler = reference_scheduler(request.sampling.scheduler, pipe.scheduler.config, request.sampling.seed)
    looks = step * pipe.scheduler.order
    with torch.no_grad():
        positive, negative, pooled, negative_pooled = pipe.encode_prompt(
            **words.prompts(replace(request, prompts=other))
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
            **words.common(request, request.sampling.seed),
            width=size.width,
            height=size.height,
            output_type="np",
            callback_on_step_end=tell,
            callback_on_step_end_tensor_inputs=["prompt_embeds", "add_text_embeds"],
        ).images[0]
    return drawn


def test_finished_latents_decode_to_the_same_picture(family: TinyFamily, engine: Engine, ours: Ours) -> None:
    request = BUILDERS[Workflow.TEXT](family)
    again = ours.drawings(replace(request, start=Start(kept(engine, request))))[0]
    assert np.array_equal(again.pixels, ours.drawings(request)[0].pixels)


def test_finished_latents_are_refined_as_in_one_run(
    family: TinyFamily, engine: Engine, ours: Ours, reference: TorchReference
) -> None:
    plain = BUILDERS[Workflow.TEXT](family)
    later = replace(plain, refine=refined(family, RefineWay.IMG2IMG), start=Start(kept(engine, plain)))
    assert difference(ours.draw(later), reference.draw(replace(later, start=None))) <= TOLERANCE
