"""The table of cases: every workflow with every scheduler, and what else the reference has a say in.

A case is a request and nothing else; everything that draws it, our engine, diffusers and the peers, is given the same
request and reads it in its own way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.refine import RefinerMode, RefinerParameters
from sdxl_desktop.core.request import (
    Execution,
    GenerationRequest,
    MicroConditioning,
    OutputOptions,
    Prompts,
    Sampling,
)
from sdxl_desktop.core.schedulers import SchedulerName
from tests.engine.parity import input_images
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.tiny_sdxl import Topology

TOLERANCE = 1e-3
"""Of pixels in [0, 1], before they are rounded to 8 bits."""
COMPOSITE_TOLERANCE = 1 / 255
"""Of finished inpainted pictures, which are 8-bit."""

SIZE = Size(128, 64)
SEED = 7
PROMPTS = Prompts(prompt="a red cat", prompt_2="the sea", negative_prompt="dog", negative_prompt_2="fog")
FEW_STEP = {"scheduler": SchedulerName.LCM, "steps": 4, "guidance_scale": 8.0}


class ParityWorkflow(StrEnum):
    """The rows of the page."""

    TEXT = "Text-to-image"
    BLOCKS_SSD_1B = "Text-to-image, SSD-1B's blocks"
    BLOCKS_VEGA = "Text-to-image, Vega's blocks"
    FEW_STEP = "Text-to-image, LCM (embedded guidance)"
    IMAGE = "Image-to-image"
    INPAINT = "Inpainting, 4-channel UNet"
    INPAINT_9 = "Inpainting, 9-channel UNet"
    ONLY_MASKED = "Inpainting, only the masked area"
    ENSEMBLE = "Base and refiner as an ensemble"
    RETOUCH = "Base, then refiner in image-to-image"
    REFINER = "Refiner alone, on a picture"
    INPAINT_ENSEMBLE = "Inpainting, refiner takes over"
    INPAINT_RETOUCH = "Inpainting, then refiner in image-to-image"


@dataclass(frozen=True)
class ParityCase:
    """One request to compare. `detail` is unique in its workflow; `slow` ones are for the dense grid."""

    workflow: ParityWorkflow
    detail: str
    build: Callable[[TinyCheckpoints], GenerationRequest]
    slow: bool = False
    scheduler: SchedulerName = SchedulerName.EULER

    @property
    def name(self) -> str:
        return f"{self.workflow}: {self.detail}"


def request(
    tiny_checkpoints: TinyCheckpoints,
    topology: Topology = Topology.BASE,
    *,
    prompts: Prompts = PROMPTS,
    micro: MicroConditioning | None = None,
    edit: EditParameters | None = None,
    refine: RefinerParameters | None = None,
    additions: Additions | None = None,
    **sampling: Any,
) -> GenerationRequest:
    """A small request; `sampling` by field."""
    return GenerationRequest(
        checkpoint=tiny_checkpoints.ov(topology),
        prompts=prompts,
        sampling=Sampling(**{"size": SIZE, "steps": 6, "seed": SEED, **sampling}),
        micro_conditioning=micro or MicroConditioning(),
        edit=edit,
        refine=refine,
        additions=additions or Additions(),
        output=OutputOptions(watermark=False),
        execution=Execution(precision="f32", preview=False, threads=1),
    )


def image_edit(strength: float = 0.6, size: Size = SIZE) -> EditParameters:
    return EditParameters(picture=input_images.photo(size), strength=strength)


def inpaint_edit(strength: float = 0.6, size: Size = SIZE) -> EditParameters:
    return EditParameters(picture=input_images.photo(size), mask=input_images.mask(size), strength=strength)


def only_masked_edit(margin: int, picture: Size, box: Rect, strength: float = 0.6) -> EditParameters:
    return EditParameters(
        picture=input_images.photo(picture),
        mask=input_images.box_mask(picture, box),
        strength=strength,
        only_masked=margin,
    )


def refine_parameters(tiny_checkpoints: TinyCheckpoints, way: RefinerMode, **options: Any) -> RefinerParameters:
    return RefinerParameters(checkpoint=tiny_checkpoints.ov(Topology.REFINER), way=way, **options)


BUILDERS: dict[ParityWorkflow, Callable[..., GenerationRequest]] = {
    ParityWorkflow.TEXT: lambda tiny_checkpoints, **options: request(tiny_checkpoints, **options),
    ParityWorkflow.BLOCKS_SSD_1B: lambda tiny_checkpoints, **options: request(
        tiny_checkpoints, Topology.SSD_1B, **options
    ),
    ParityWorkflow.BLOCKS_VEGA: lambda tiny_checkpoints, **options: request(tiny_checkpoints, Topology.VEGA, **options),
    ParityWorkflow.FEW_STEP: lambda tiny_checkpoints, **options: request(
        tiny_checkpoints, Topology.LCM, **{**FEW_STEP, **options}
    ),
    ParityWorkflow.IMAGE: lambda tiny_checkpoints, **options: request(
        tiny_checkpoints, **{"edit": image_edit(), **options}
    ),
    ParityWorkflow.INPAINT: lambda tiny_checkpoints, **options: request(
        tiny_checkpoints, **{"edit": inpaint_edit(), **options}
    ),
    ParityWorkflow.INPAINT_9: lambda tiny_checkpoints, **options: request(
        tiny_checkpoints, Topology.INPAINT, **{"edit": inpaint_edit(), **options}
    ),
    ParityWorkflow.ONLY_MASKED: lambda tiny_checkpoints, **options: request(
        tiny_checkpoints, **{"edit": only_masked_edit(16, Size(256, 160), Rect(90, 70, 96, 32)), **options}
    ),
    ParityWorkflow.ENSEMBLE: lambda tiny_checkpoints, **options: request(
        tiny_checkpoints,
        **{"refine": refine_parameters(tiny_checkpoints, RefinerMode.ENSEMBLE), "steps": 10, **options},
    ),
    ParityWorkflow.RETOUCH: lambda tiny_checkpoints, **options: request(
        tiny_checkpoints,
        **{"refine": refine_parameters(tiny_checkpoints, RefinerMode.IMG2IMG, strength=0.3), "steps": 10, **options},
    ),
    ParityWorkflow.REFINER: lambda tiny_checkpoints, **options: request(
        tiny_checkpoints, Topology.REFINER, **{"edit": image_edit(), **options}
    ),
    ParityWorkflow.INPAINT_ENSEMBLE: lambda tiny_checkpoints, **options: request(
        tiny_checkpoints,
        **{
            "edit": inpaint_edit(),
            "refine": refine_parameters(tiny_checkpoints, RefinerMode.ENSEMBLE),
            "steps": 10,
            **options,
        },
    ),
    ParityWorkflow.INPAINT_RETOUCH: lambda tiny_checkpoints, **options: request(
        tiny_checkpoints,
        **{
            "edit": inpaint_edit(),
            "refine": refine_parameters(tiny_checkpoints, RefinerMode.IMG2IMG),
            "steps": 10,
            **options,
        },
    ),
}

NO_GUIDANCE = {"guidance_scale": 1.0}
RESCALED = {"guidance_scale": 8.0, "guidance_rescale": 0.7}
