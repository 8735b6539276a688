"""The rows themselves: what is drawn in each workflow, by scheduler and then argument by argument."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.geometry import Point, Rect, Size
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import MicroConditioning, Prompts
from sdxl_desktop.core.schedulers import NON_EDM_SCHEDULERS, SchedulerName
from tests.engine.parity import input_images
from tests.engine.parity.cases import (
    BUILDERS,
    SIZE,
    ParityCase,
    ParityWorkflow,
    image_edit,
    inpaint_edit,
    only_masked_edit,
    refine_parameters,
)

WITH_EVERY_SCHEDULER = tuple(workflow for workflow in ParityWorkflow if workflow is not ParityWorkflow.FEW_STEP)
"""An LCM checkpoint has a scheduler of its own."""

WIDE, TALL = Size(320, 64), Size(64, 256)
POSITIVE_SIZES = {
    "original size": MicroConditioning(original_size=WIDE),
    "crop": MicroConditioning(crop_top_left=Point(40, 8)),
    "target size": MicroConditioning(target_size=TALL),
}
NEGATIVE_SIZES = {
    "negative original size": MicroConditioning(negative_original_size=WIDE),
    "negative crop": MicroConditioning(negative_crop_top_left=Point(40, 8)),
    "negative target size": MicroConditioning(negative_target_size=TALL),
}
ALL_SIZES = MicroConditioning(
    original_size=WIDE,
    crop_top_left=Point(40, 8),
    target_size=TALL,
    negative_original_size=Size(200, 72),
    negative_crop_top_left=Point(4, 24),
    negative_target_size=Size(96, 48),
)
SIZES = {**POSITIVE_SIZES, **NEGATIVE_SIZES, "all six sizes": ALL_SIZES}
SIZES_IN_EVERY_RUN = ("all six sizes", "negative crop")
"""All of them at once, each with values of its own; and one negative for which the others must be filled in."""
SCORES = {
    "aesthetic score": MicroConditioning(aesthetic_score=9.0),
    "negative aesthetic score": MicroConditioning(negative_aesthetic_score=8.0),
}
TIMESTEPS = (999, 850, 600, 400, 150, 20)


_NON_EDM_ONLY, _NOISE_ALONE = (SchedulerName.EULER,), (SchedulerName.EULER_ANCESTRAL,)
IN_EVERY_RUN: dict[ParityWorkflow, tuple[SchedulerName, ...]] = {
    ParityWorkflow.TEXT: NON_EDM_SCHEDULERS,
    ParityWorkflow.BLOCKS_SSD_1B: _NON_EDM_ONLY,
    ParityWorkflow.BLOCKS_VEGA: (),
    ParityWorkflow.IMAGE: (SchedulerName.EULER_ANCESTRAL, SchedulerName.HEUN),
    ParityWorkflow.INPAINT: (SchedulerName.EULER, SchedulerName.DPMPP_2M_KARRAS),
    ParityWorkflow.INPAINT_9: _NON_EDM_ONLY,
    ParityWorkflow.ONLY_MASKED: _NON_EDM_ONLY,
    ParityWorkflow.ENSEMBLE: (SchedulerName.EULER_ANCESTRAL, SchedulerName.DPMPP_2M_KARRAS),
    ParityWorkflow.RETOUCH: _NOISE_ALONE,
    ParityWorkflow.REFINER: _NON_EDM_ONLY,
    ParityWorkflow.INPAINT_ENSEMBLE: (SchedulerName.EULER, SchedulerName.HEUN),
    ParityWorkflow.INPAINT_RETOUCH: _NOISE_ALONE,
}
"""The others are for the dense grid and the page: a few kinds are enough in every run: first order, ancestral,
multistep with fractional timesteps, second order. Vega's blocks are SSD-1B's, with fewer layers."""
DISTINGUISHING = (
    *SIZES,
    *SCORES,
    "no guidance",
    "strong guidance",
    "guidance rescale",
    "clip skip",
    "custom timesteps",
    "another VAE",
    "variation",
    "prompt alone",
)
"""Cases that are their workflow's plainest request with one argument more."""


def cases() -> Iterator[ParityCase]:
    """All of them, each name once."""
    yield from _schedulers()
    yield from _plainest()
    yield from _text()
    yield from _edits()
    yield from _inpainting()
    yield from _refining()
    yield from _dense()


def _case(workflow: ParityWorkflow, detail: str, *, slow: bool = False, **options: Any) -> ParityCase:
    return ParityCase(
        workflow,
        detail,
        lambda tiny_checkpoints: BUILDERS[workflow](
            tiny_checkpoints,
            **{name: value(tiny_checkpoints) if callable(value) else value for name, value in options.items()},
        ),
        slow,
        options.get("scheduler", SchedulerName.LCM if workflow is ParityWorkflow.FEW_STEP else SchedulerName.EULER),
    )


def _schedulers() -> Iterator[ParityCase]:
    for workflow in WITH_EVERY_SCHEDULER:
        for scheduler in NON_EDM_SCHEDULERS:
            slow = scheduler not in IN_EVERY_RUN[workflow]
            yield _case(workflow, scheduler.label, slow=slow, scheduler=scheduler)
    yield _case(ParityWorkflow.FEW_STEP, SchedulerName.LCM.label)


def _text() -> Iterator[ParityCase]:
    text = ParityWorkflow.TEXT
    for name, micro in SIZES.items():
        yield _case(text, name, micro=micro, slow=name not in SIZES_IN_EVERY_RUN)
    yield _case(text, "portrait", size=Size(64, 160), slow=True)
    yield _case(text, "prompt alone", prompts=Prompts(prompt="a red cat"))
    yield _case(text, "only a second negative prompt", prompts=Prompts(prompt="a red cat", negative_prompt_2="fog"))
    yield _case(text, "no guidance", guidance_scale=1.0)
    yield _case(text, "strong guidance", guidance_scale=9.5, slow=True)
    yield _case(text, "guidance rescale", guidance_scale=8.0, guidance_rescale=0.7)
    yield _case(text, "clip skip", prompts=Prompts(prompt="a red cat", negative_prompt="dog", clip_skip=1))
    yield _case(text, "custom timesteps", timesteps=TIMESTEPS)
    yield _case(text, "custom timesteps, DPM++ 2M", timesteps=TIMESTEPS, scheduler=SchedulerName.DPMPP_2M, slow=True)
    yield _case(text, "another VAE", additions=lambda tiny_checkpoints: Additions(vae=tiny_checkpoints.other_vae()))
    yield _case(text, "variation", variation_seed=11, variation_strength=0.3)
    yield _case(
        text,
        "variation, Euler a",
        variation_seed=11,
        variation_strength=0.3,
        scheduler=SchedulerName.EULER_ANCESTRAL,
        slow=True,
    )
    yield _case(ParityWorkflow.FEW_STEP, "weaker embedded guidance", guidance_scale=2.0, slow=True)
    yield _case(ParityWorkflow.FEW_STEP, "image-to-image", edit=image_edit(0.75))


def _plainest() -> Iterator[ParityCase]:
    """One prompt and a square: what also those draw rightly who mix up the two prompts or width and height."""
    square = Size(64, 64)
    edits = {
        ParityWorkflow.IMAGE: image_edit,
        ParityWorkflow.INPAINT: inpaint_edit,
        ParityWorkflow.INPAINT_9: inpaint_edit,
    }
    for workflow in (ParityWorkflow.TEXT, ParityWorkflow.FEW_STEP, *edits):
        options = {"edit": edits[workflow](0.6, square)} if workflow in edits else {}
        slow = workflow is not ParityWorkflow.TEXT
        prompts = Prompts(prompt="a red cat")
        yield _case(workflow, "square, one prompt", prompts=prompts, size=square, slow=slow, **options)


STRENGTHS_IN_EVERY_RUN = ((0.3, SchedulerName.HEUN), (1.0, SchedulerName.EULER_ANCESTRAL))
"""Few steps of a second-order scheduler; pure noise with an ancestral one."""


def _edits() -> Iterator[ParityCase]:
    image = ParityWorkflow.IMAGE
    for strength in (0.3, 1.0):
        for scheduler in (
            SchedulerName.EULER,
            SchedulerName.EULER_ANCESTRAL,
            SchedulerName.HEUN,
            SchedulerName.DPMPP_2M,
        ):
            yield _case(
                image,
                f"strength {strength}, {scheduler.label}",
                edit=image_edit(strength),
                scheduler=scheduler,
                slow=(strength, scheduler) not in STRENGTHS_IN_EVERY_RUN,
            )
    for name, micro in SIZES.items():
        yield _case(image, name, micro=micro, slow=name != "all six sizes")
    yield _case(image, "portrait", size=Size(64, 160), edit=image_edit(0.6, Size(64, 160)), slow=True)
    yield _case(image, "no guidance", guidance_scale=1.0, slow=True)
    yield _case(image, "guidance rescale", guidance_scale=8.0, guidance_rescale=0.7, slow=True)
    yield _case(image, "clip skip", prompts=Prompts(prompt="a red cat", clip_skip=1), slow=True)
    yield _case(image, "custom timesteps", timesteps=TIMESTEPS, slow=True)
    yield _case(image, "another VAE", additions=lambda tiny_checkpoints: Additions(vae=tiny_checkpoints.other_vae()))


def _inpainting() -> Iterator[ParityCase]:
    few = (SchedulerName.EULER, SchedulerName.EULER_ANCESTRAL, SchedulerName.HEUN)
    for workflow in (ParityWorkflow.INPAINT, ParityWorkflow.INPAINT_9):
        for strength in (0.3, 1.0):
            for scheduler in few:
                edit = inpaint_edit(strength)
                slow = (strength, scheduler) not in STRENGTHS_IN_EVERY_RUN
                detail = f"strength {strength}, {scheduler.label}"
                yield _case(workflow, detail, edit=edit, scheduler=scheduler, slow=slow)
        yield _case(workflow, "all six sizes", micro=ALL_SIZES, slow=True)
        yield _case(workflow, "portrait", size=Size(64, 160), edit=inpaint_edit(0.6, Size(64, 160)), slow=True)
        yield _case(workflow, "no guidance", guidance_scale=1.0, slow=workflow is ParityWorkflow.INPAINT)
    for workflow in (ParityWorkflow.INPAINT, ParityWorkflow.INPAINT_9):
        edit = EditParameters(
            picture=input_images.photo(SIZE), mask=input_images.box_mask(SIZE, Rect(48, 16, 56, 32)), strength=0.6
        )
        yield _case(workflow, "a mask on the latents' grid, diffusers' own way", edit=edit)
        edit = EditParameters(picture=input_images.photo(SIZE), mask=input_images.box_and_stroke(SIZE), strength=0.6)
        yield _case(workflow, "a thin stroke beside a box", edit=edit, slow=workflow is ParityWorkflow.INPAINT_9)
    yield _case(ParityWorkflow.INPAINT, "few-step", scheduler=SchedulerName.LCM, edit=inpaint_edit(1.0))
    for name, picture, box, margin in (
        ("drawn at its own size", Size(256, 160), Rect(96, 64, 64, 32), 16),
        ("drawn larger", Size(192, 128), Rect(70, 50, 40, 10), 5),
        ("drawn smaller", Size(384, 256), Rect(60, 40, 250, 90), 20),
        ("at the picture's edge", Size(192, 128), Rect(150, 100, 42, 28), 12),
        ("strength 1", Size(256, 160), Rect(96, 64, 64, 32), 16),
    ):
        strength = 1.0 if name == "strength 1" else 0.6
        slow = name in ("drawn at its own size", "strength 1")
        yield _case(ParityWorkflow.ONLY_MASKED, name, edit=only_masked_edit(margin, picture, box, strength), slow=slow)


HANDOFFS_IN_EVERY_RUN = (
    (ParityWorkflow.ENSEMBLE, 0.5, SchedulerName.HEUN),
    (ParityWorkflow.INPAINT_ENSEMBLE, 0.9, SchedulerName.EULER),
)


def _refining() -> Iterator[ParityCase]:
    few = (SchedulerName.EULER, SchedulerName.HEUN)
    for workflow in (ParityWorkflow.ENSEMBLE, ParityWorkflow.INPAINT_ENSEMBLE):
        for handoff in (0.5, 0.9):
            for scheduler in few:
                yield _case(
                    workflow,
                    f"hand-off {handoff}, {scheduler.label}",
                    refine=lambda tiny_checkpoints, at=handoff: refine_parameters(
                        tiny_checkpoints, RefinerMode.ENSEMBLE, handoff=at
                    ),
                    scheduler=scheduler,
                    slow=(workflow, handoff, scheduler) not in HANDOFFS_IN_EVERY_RUN,
                )
    yield _case(
        ParityWorkflow.ENSEMBLE,
        "other steps",
        refine=lambda tiny_checkpoints: refine_parameters(tiny_checkpoints, RefinerMode.ENSEMBLE, steps=20),
    )
    yield _case(ParityWorkflow.ENSEMBLE, "on a picture", edit=image_edit(0.7))
    for workflow in (ParityWorkflow.RETOUCH, ParityWorkflow.INPAINT_RETOUCH):
        yield _case(
            workflow,
            "own steps and strength",
            refine=lambda tiny_checkpoints: refine_parameters(
                tiny_checkpoints, RefinerMode.IMG2IMG, steps=8, strength=0.6
            ),
            slow=workflow is ParityWorkflow.INPAINT_RETOUCH,
        )
    yield _case(ParityWorkflow.RETOUCH, "on a picture", edit=image_edit(0.7), slow=True)
    yield _case(ParityWorkflow.INPAINT_RETOUCH, "strength 1", edit=inpaint_edit(1.0), slow=True)
    yield _case(ParityWorkflow.INPAINT_ENSEMBLE, "strength 1", edit=inpaint_edit(1.0))
    for workflow in (ParityWorkflow.REFINER, ParityWorkflow.ENSEMBLE, ParityWorkflow.RETOUCH):
        for name, micro in SCORES.items():
            slow = workflow is not ParityWorkflow.REFINER and name != "aesthetic score"
            yield _case(workflow, name, micro=micro, slow=slow)
    for workflow in (ParityWorkflow.REFINER, ParityWorkflow.ENSEMBLE):
        yield _case(workflow, "original size", micro=POSITIVE_SIZES["original size"], slow=True)
        yield _case(workflow, "crop", micro=POSITIVE_SIZES["crop"], slow=True)
        yield _case(workflow, "all six sizes", micro=ALL_SIZES)
    yield _case(ParityWorkflow.REFINER, "prompt alone", prompts=Prompts(prompt="a red cat"))
    yield _case(ParityWorkflow.REFINER, "strength 0.3", edit=image_edit(0.3), slow=True)
    yield _case(ParityWorkflow.REFINER, "inpainting", edit=inpaint_edit(0.6))
    yield _case(ParityWorkflow.REFINER, "clip skip", prompts=Prompts(prompt="a red cat", clip_skip=1), slow=True)


DENSE_GRID = "dense: "


def _dense() -> Iterator[ParityCase]:
    """Strength by scheduler by steps, and the few-step checkpoints' schedulers; this takes minutes."""
    edits = {
        ParityWorkflow.IMAGE: image_edit,
        ParityWorkflow.INPAINT: inpaint_edit,
        ParityWorkflow.INPAINT_9: inpaint_edit,
    }
    for workflow, edit in edits.items():
        for strength in (0.25, 0.5, 0.8, 1.0):
            for scheduler in NON_EDM_SCHEDULERS:
                for steps in (5, 12):
                    detail = f"{DENSE_GRID}{steps} steps, strength {strength}, {scheduler.label}"
                    yield _case(workflow, detail, slow=True, edit=edit(strength), scheduler=scheduler, steps=steps)
    for workflow, first in (
        (ParityWorkflow.ENSEMBLE, 0.3),
        (ParityWorkflow.INPAINT_ENSEMBLE, 0.5),
    ):  # below, a strength leaves none
        for handoff in (first, 0.6, 0.75, 0.95):
            for scheduler in NON_EDM_SCHEDULERS:
                yield _case(
                    workflow,
                    f"{DENSE_GRID}hand-off {handoff}, {scheduler.label}",
                    slow=True,
                    refine=lambda tiny_checkpoints, at=handoff: refine_parameters(
                        tiny_checkpoints, RefinerMode.ENSEMBLE, handoff=at
                    ),
                    scheduler=scheduler,
                    steps=25,
                )
    for scheduler in NON_EDM_SCHEDULERS:
        yield _case(ParityWorkflow.FEW_STEP, f"{DENSE_GRID}{scheduler.label}", slow=True, scheduler=scheduler)
    for steps in (1, 2, 3, 4, 7, 13, 25):
        for scheduler in NON_EDM_SCHEDULERS:
            yield _case(
                ParityWorkflow.TEXT,
                f"{DENSE_GRID}{steps} steps, {scheduler.label}",
                slow=True,
                steps=steps,
                scheduler=scheduler,
            )
