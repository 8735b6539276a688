"""Build one request from plain values, for the window and the command line alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sdxl_desktop.core.additions import Additions, file_name_only
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.latents import ResumePoint
from sdxl_desktop.core.refine import RefinerParameters, Refining
from sdxl_desktop.core.request import (
    Execution,
    GenerationMode,
    GenerationRequest,
    MicroConditioning,
    OutputOptions,
    Sampling,
)
from sdxl_desktop.core.scalars import scalars
from sdxl_desktop.core.workspace_value import AdditionsPanelState, RefinerPanelState, WorkspaceValue
from sdxl_desktop.session import addition_values
from sdxl_desktop.session.edit_values import build_edit_parameters

NO_EDIT_SOURCE = EditSource()
DEFAULT_OUTPUT = OutputOptions()
AESTHETIC_SCORE_FIELDS = tuple(name for name in scalars(MicroConditioning) if name in scalars(RefinerPanelState))
"""The micro-conditioning values that only refiners receive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What a run depends on besides the edited values: the available `refiners`, the canvas content, the devices, the
    output options, and saved latents to resume from.
    """

    execution: Execution
    edit_source: EditSource = NO_EDIT_SOURCE
    output: OutputOptions = DEFAULT_OUTPUT
    refiners: Sequence[Checkpoint] = ()
    start: ResumePoint | None = None


def build_request(
    value: WorkspaceValue, checkpoint: Checkpoint, run: RunContext, additions: Additions | None = None
) -> GenerationRequest:
    """Return the request that `value` describes for `checkpoint`. `additions` replace those of `value`.

    Raises RequestError for incompatible values.
    """
    sampling = value.sampling or Sampling()
    return GenerationRequest(
        checkpoint=checkpoint.folder,
        prompts=value.prompts,
        sampling=sampling,
        micro_conditioning=effective_micro_conditioning(value, checkpoint),
        edit=build_edit_parameters(value.edit, run.edit_source, sampling.size),
        refine=build_refiner_parameters(value.refiner, run.refiners),
        additions=addition_values.used(value.additions, value.prompts) if additions is None else additions,
        start=run.start,
        output=run.output,
        execution=run.execution,
    )


def with_used_embeddings(request: GenerationRequest, additions: AdditionsPanelState) -> GenerationRequest:
    """Return `request` with those of the listed `additions` that its final prompts name, if they differ from what was
    typed."""
    if request.prompt_source is None:
        return request
    return replace(request, additions=addition_values.used(additions, request.all_prompts))


def effective_micro_conditioning(value: WorkspaceValue, checkpoint: Checkpoint) -> MicroConditioning:
    """Return the sizes and crop if enabled, and the scores if a refiner uses them."""
    conditioning = value.micro_conditioning if value.micro_conditioning_on else MicroConditioning()
    if checkpoint.kind is not CheckpointKind.REFINER and not value.refiner.on:
        return conditioning
    return replace(conditioning, **{name: getattr(value.refiner, name) for name in AESTHETIC_SCORE_FIELDS})


def with_default_scores(conditioning: MicroConditioning) -> MicroConditioning:
    """Return it with the default scores: these are set in the refiner panel."""
    usual = MicroConditioning()
    return replace(conditioning, **{name: getattr(usual, name) for name in AESTHETIC_SCORE_FIELDS})


def chosen_refiner(value: RefinerPanelState, refiners: Sequence[Checkpoint]) -> Checkpoint | None:
    """Return the refiner that `value` names, or the first if it names none; None if it is not available."""
    if not value.checkpoint:
        return refiners[0] if refiners else None
    return next((refiner for refiner in refiners if refiner.name == value.checkpoint), None)


def build_refiner_parameters(value: RefinerPanelState, refiners: Sequence[Checkpoint]) -> RefinerParameters | None:
    """Return the refiner parameters, or None if off. Raises RequestError if the chosen refiner is not available."""
    if not value.on or not (refiners or value.checkpoint):
        return None
    refiner = chosen_refiner(value, refiners)
    if refiner is None:
        raise RequestError(
            f"The refiner {value.checkpoint} is not among your checkpoints.",
            next_step="Choose another refiner, or switch it off.",
        )
    return RefinerParameters(checkpoint=refiner.folder, **{name: getattr(value, name) for name in scalars(Refining)})


def with_recorded_refiner(
    value: RefinerPanelState,
    refine: RefinerParameters | None,
    conditioning: MicroConditioning,
    refiners: Sequence[Checkpoint],
) -> tuple[RefinerPanelState, tuple[str, ...]]:
    """Return `value` with a recorded picture's refiner settings and scores, and the name of the refiner if it is
    missing."""
    value = replace(
        value, on=refine is not None, **{name: getattr(conditioning, name) for name in AESTHETIC_SCORE_FIELDS}
    )
    if refine is None:
        return value, ()
    known = next((refiner for refiner in refiners if refiner.folder == refine.checkpoint), None)
    name = known.name if known else file_name_only(refine.checkpoint).name
    value = replace(value, checkpoint=name, **{one: getattr(refine, one) for one in scalars(Refining)})
    return value, () if name in [refiner.name for refiner in refiners] else (f"the refiner {name}",)


def edit_mode(source: EditSource) -> GenerationMode:
    """Return the generation mode of a run on `source`."""
    if source.picture is None:
        return GenerationMode.TEXT_TO_IMAGE
    return GenerationMode.IMAGE_TO_IMAGE if source.mask is None else GenerationMode.INPAINT


def find_obstacle(checkpoint: Checkpoint, source: EditSource, *, other_vae: bool = False) -> RequestError | None:
    """Return why `checkpoint` cannot process `source`, or None if it can; `other_vae`: its own VAE is not used."""
    mode = edit_mode(source)
    if checkpoint.kind is CheckpointKind.REFINER and mode is GenerationMode.TEXT_TO_IMAGE:
        return RequestError(
            "A refiner finishes a picture: put one on the canvas.",
            next_step="To draw from words, choose another checkpoint.",
        )
    if checkpoint.kind is CheckpointKind.INPAINT and mode is not GenerationMode.INPAINT:
        missing = "put a picture on the canvas and paint a mask" if source.picture is None else "paint a mask"
        return RequestError(
            f"This checkpoint fills masked areas: {missing}.",
            next_step="To draw without a mask, choose another checkpoint.",
        )
    if mode is not GenerationMode.TEXT_TO_IMAGE and not checkpoint.has_vae_encoder and not other_vae:
        return RequestError(
            "This checkpoint cannot edit pictures: it has no VAE encoder.",
            next_step="Choose another checkpoint or VAE, or take the picture off the canvas.",
        )
    return None
