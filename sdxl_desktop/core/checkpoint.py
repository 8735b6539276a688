"""A checkpoint: weights on disk, with a description that suffices to fill the panels and to refuse invalid requests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.noise_schedule import NoiseSchedule
from sdxl_desktop.core.schedulers import SchedulerName


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendedSettings:
    """The settings a checkpoint was made for."""

    size: Size
    steps: int = 30
    guidance_scale: float = 5.0
    scheduler: SchedulerName = SchedulerName.EULER


class CheckpointKind(StrEnum):
    """BASE generates from text; REFINER has the second encoder only and refines pictures; INPAINT takes picture and
    mask in addition to the latents (9 channels) and requires a mask."""

    BASE = "base"
    REFINER = "refiner"
    INPAINT = "inpaint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A folder of OpenVINO SDXL parts.

    `name` is the identifier that users type, unique in the library; `title` and `description` are for display.
    `vae_scale_factor` is pixels per latent (8 for SDXL); width and height must be multiples of `size_multiple`.
    `is_few_step` is true for distilled checkpoints that want few steps; `has_vae_encoder` for those that can edit
    pictures. `tiny_vae` is the folder of the checkpoint's small VAE for drafts; `noise_schedule` defines how it must be
    sampled.
    """

    name: str
    title: str
    folder: Path
    description: str = ""
    vae_scale_factor: int = 8
    size_multiple: int = 8
    kind: CheckpointKind = CheckpointKind.BASE
    is_few_step: bool = False
    has_vae_encoder: bool = True
    tiny_vae: Path | None = None
    noise_schedule: NoiseSchedule = NoiseSchedule()
    recommended: RecommendedSettings

    def check_size(self, size: Size) -> None:
        """Raise RequestError, naming the nearest sizes, if this checkpoint cannot generate `size`."""
        check_size(size, self.size_multiple)


def check_size(size: Size, multiple: int) -> None:
    """Raise RequestError unless both sides of `size` are multiples of `multiple`."""
    for name, side in (("width", size.width), ("height", size.height)):
        if side % multiple:
            below, above = side // multiple * multiple, (side // multiple + 1) * multiple
            raise RequestError(
                f"This checkpoint cannot draw a {name} of {side}.",
                why=f"Its sizes are multiples of {multiple}.",
                next_step=f"Use {below} or {above}." if below else f"Use {above}.",
            )
