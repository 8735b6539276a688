"""Plain optimum-intel, called as its users call it, without our engine's modifications of its parts."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from sdxl_desktop.core.request import GenerationRequest
from tests.engine.parity import diffusers_calls
from tests.engine.parity.diffusers_calls import Floats, PipelineKind


class OptimumIntel:
    """Generates requests with optimum-intel's pipelines, in 32 bits."""

    name = "optimum-intel"

    def __init__(self) -> None:
        self._read: dict[tuple[PipelineKind, Path, Path | None], Any] = {}

    def generate(self, request: GenerationRequest) -> Floats:
        """Return float32 [H, W, 3] in [0, 1]; raises any error of the library."""
        return diffusers_calls.run_pipelines(request, self)

    def pipeline(self, kind: PipelineKind, ov_folder: Path, vae: Path | None = None) -> Any:
        """See `Pipelines.pipeline`."""
        if vae is not None:
            raise NotImplementedError("another VAE cannot be named; a person would copy folders")
        key = (kind, ov_folder, vae)
        if key not in self._read:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from optimum import intel

                pipe = getattr(intel, f"OVStableDiffusionXL{kind}Pipeline").from_pretrained(
                    str(ov_folder), ov_config={"INFERENCE_PRECISION_HINT": "f32"}, add_watermarker=False
                )
            pipe.set_progress_bar_config(disable=True)
            self._read[key] = pipe, pipe.scheduler.config
        return self._read[key][0]

    def scheduler_config(self, ov_folder: Path) -> Any:
        """See `Pipelines.scheduler_config`."""
        return next(config for (_, folder, _), (_, config) in self._read.items() if folder == ov_folder)
