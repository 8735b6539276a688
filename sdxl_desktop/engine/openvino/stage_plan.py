"""Which kinds of conditioning there are, and what is planned of a stage before it begins: its UNet calls, and what
takes part in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sdxl_desktop.engine.openvino.denoise import DenoisingStage
from sdxl_desktop.engine.openvino.extensions import guidance, guidance_embedding, guidance_rescale, text
from sdxl_desktop.engine.openvino.extensions.base import Extension, Extensions, StageContext
from sdxl_desktop.engine.openvino.predict import NoisePredictor
from sdxl_desktop.engine.openvino.stage_schedule import StageSchedule
from sdxl_desktop.engine.openvino.step_caching import step_cache
from sdxl_desktop.engine.openvino.unet_call import UNetCall, calls_of

KINDS: tuple[Callable[[StageContext], Extension | None], ...] = (
    text.for_stage,
    guidance_embedding.for_stage,
    guidance.for_stage,
    guidance_rescale.for_stage,
)
"""Each gives its extension of a stage, or None where it has no part in it. They act in this order: what changes rows of
a prediction comes before what combines them, and what corrects the combination after it."""


@dataclass(frozen=True, slots=True, eq=False)
class StagePlan:
    """`calls` are planned by `extensions`."""

    context: StageContext
    extensions: tuple[Extension, ...]
    calls: tuple[UNetCall, ...]

    @classmethod
    def of(cls, context: StageContext) -> StagePlan:
        kinds = (*KINDS, step_cache.for_stage)  # which plans by what all others have planned
        made = [kind(context) for kind in kinds]
        extensions = tuple(extension for extension in made if extension is not None)
        calls = calls_of(context.schedule)
        for extension in extensions:
            calls = extension.plan(calls)
        return cls(context, extensions, calls)

    @property
    def schedule(self) -> StageSchedule:
        return self.context.schedule

    def begun(self, more: Iterable[Extension], offset: int = 0) -> DenoisingStage:
        """The stage, with `more` extensions that could not be made before it began, after `offset` steps of others."""
        extensions = Extensions((*self.extensions, *more))
        predictor = NoisePredictor(self.context.loaded.pipe.unet, extensions)
        return DenoisingStage(
            predictor=predictor, extensions=extensions, schedule=self.schedule, calls=self.calls, step_offset=offset
        )
