"""Lists the kinds of conditioning, and plans a stage before it begins: its UNet calls and extensions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sdxl_desktop.engine.openvino.denoise import DenoisingStage
from sdxl_desktop.engine.openvino.extensions import guidance, guidance_embedding, guidance_rescale, text
from sdxl_desktop.engine.openvino.extensions.base import Extension, Extensions, StageContext
from sdxl_desktop.engine.openvino.predict import NoisePredictor
from sdxl_desktop.engine.openvino.stage_schedule import StageSchedule
from sdxl_desktop.engine.openvino.step_caching import step_cache
from sdxl_desktop.engine.openvino.unet_call import UNetCall, full_calls

EXTENSION_FACTORIES: tuple[Callable[[StageContext], Extension | None], ...] = (
    text.for_stage,
    guidance_embedding.for_stage,
    guidance.for_stage,
    guidance_rescale.for_stage,
)
"""Each returns its extension for a stage, or None if it does not apply. The order matters: changes to rows of a
prediction come before combining them, corrections of the combination after it."""


@dataclass(frozen=True, slots=True, eq=False)
class StagePlan:
    """The plan of a stage; its `calls` are planned by its `extensions`."""

    context: StageContext
    extensions: tuple[Extension, ...]
    calls: tuple[UNetCall, ...]

    @classmethod
    def create(cls, context: StageContext) -> StagePlan:
        kinds = (*EXTENSION_FACTORIES, step_cache.for_stage)  # last: its plan depends on all others' plans
        made = [kind(context) for kind in kinds]
        extensions = tuple(extension for extension in made if extension is not None)
        calls = full_calls(context.schedule)
        for extension in extensions:
            calls = extension.plan(calls)
        return cls(context, extensions, calls)

    @property
    def schedule(self) -> StageSchedule:
        return self.context.schedule

    def create_stage(self, more: Iterable[Extension], offset: int = 0) -> DenoisingStage:
        """Return the stage with `more` extensions, which need its initial latents, after `offset` steps of earlier
        stages."""
        extensions = Extensions((*self.extensions, *more))
        predictor = NoisePredictor(self.context.loaded.pipe.unet, extensions)
        return DenoisingStage(
            predictor=predictor, extensions=extensions, schedule=self.schedule, calls=self.calls, step_offset=offset
        )
