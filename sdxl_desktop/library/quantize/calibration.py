"""Calibration settings: prompts, number of samples, and the checkpoint's sampling settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.request import MAX_GUIDANCE, MAX_STEPS
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.library.quantize.calibration_prompts import pick_evenly, prompts_hash

DEFAULT_SAMPLES = 100
MAX_SAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Generate images of `prompts` with these settings and keep `samples` of the UNet's inputs.

    Complete images are generated, since the first steps see noise and the last ones images; samples are taken evenly
    from all steps.
    """

    prompts: tuple[str, ...]
    samples: int
    steps: int
    guidance_scale: float
    scheduler: SchedulerName
    size: Size
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("The number of samples", self.samples, 1, MAX_SAMPLES)
        check_range("The number of steps", self.steps, 1, MAX_STEPS)
        check_range("The guidance scale", self.guidance_scale, 0.0, MAX_GUIDANCE)
        if not self.prompts:
            raise RequestError("There are no prompts to calibrate with.", next_step="Give at least one.")

    @classmethod
    def for_checkpoint(
        cls,
        checkpoint: Checkpoint,
        prompts: Sequence[str],
        *,
        samples: int = DEFAULT_SAMPLES,
        steps: int | None = None,
        guidance_scale: float | None = None,
        size: Size | None = None,
    ) -> Calibration:
        """Use the recommended settings of `checkpoint`, except for those given. Raises RequestError."""
        best = checkpoint.recommended
        checkpoint.check_size(size or best.size)
        return cls(
            prompts=tuple(prompts),
            samples=samples,
            steps=best.steps if steps is None else steps,
            guidance_scale=best.guidance_scale if guidance_scale is None else guidance_scale,
            scheduler=best.scheduler,
            size=size or best.size,
        )

    @property
    def picture_prompts(self) -> tuple[str, ...]:
        """The prompt of each image."""
        return pick_evenly(self.prompts, -(-self.samples // self.steps))

    def to_record(self) -> dict[str, Any]:
        """Return the content for a record, so that the calibration can be repeated and identified."""
        return {
            "samples": self.samples,
            "pictures": len(self.picture_prompts),
            "prompts": len(self.prompts),
            "prompts_hash": prompts_hash(self.prompts),
            "steps": self.steps,
            "guidance_scale": self.guidance_scale,
            "scheduler": self.scheduler.value,
            "size": str(self.size),
            "seed": self.seed,
        }

    def to_json(self) -> str:
        """Equal only for equal calibrations."""
        return json.dumps(asdict(self))
