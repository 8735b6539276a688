"""The guidance scale as an input of distilled UNets (`timestep_cond`), instead of classifier-free guidance."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sdxl_desktop.engine.openvino.extensions.base import Extension, StageContext


class GuidanceEmbedding(Extension):
    """Adds the same embedding to every row."""

    def __init__(self, embedding: torch.Tensor) -> None:
        """`embedding` float32 [1, D] (`LoadedCheckpoint.guidance_scale_embedding`)."""
        self._inputs = {"timestep_cond": embedding}

    def row_inputs(self, row: str) -> Mapping[str, torch.Tensor]:
        return self._inputs


def for_stage(context: StageContext) -> GuidanceEmbedding | None:
    loaded = context.loaded
    if not loaded.is_guidance_distilled:
        return None
    return GuidanceEmbedding(loaded.guidance_scale_embedding(context.request.sampling.guidance_scale))
