"""The prompts and SDXL's micro-conditioning: `encoder_hidden_states` and `added_cond_kwargs`."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import MicroConditioning
from sdxl_desktop.engine.openvino.extensions.base import Extension, StageContext
from sdxl_desktop.engine.openvino.prompt_encoder import PromptConditioning
from sdxl_desktop.engine.openvino.unet_call import NEGATIVE


class TextConditioning(Extension):
    """Conditions every row except the negative one on the prompt. Time ids are float32 [1, 6] or [1, 5]."""

    def __init__(
        self, conditioning: tuple[PromptConditioning, PromptConditioning], time_ids: tuple[torch.Tensor, torch.Tensor]
    ) -> None:
        """Both as (positive, negative)."""
        self._positive, self._negative = (
            {
                "encoder_hidden_states": encoded.prompt_embeds,
                "text_embeds": encoded.pooled_prompt_embeds,
                "time_ids": ids,
            }
            for encoded, ids in zip(conditioning, time_ids, strict=True)
        )

    def row_inputs(self, row: str) -> Mapping[str, torch.Tensor]:
        return self._negative if row == NEGATIVE else self._positive


def for_stage(context: StageContext) -> TextConditioning:
    request = context.request
    ids = time_ids(request.micro_conditioning, request.sampling.size, scored=context.loaded.requires_aesthetics_score)
    return TextConditioning(context.conditioning, ids)


def time_ids(micro: MicroConditioning, size: Size, *, scored: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (positive, negative) float32 [1, 6]: original height and width, crop top and left, target height and
    width.

    For refiners (`scored`) they are [1, 5], with the aesthetic score instead of the target size.
    """
    rows = []
    for (original, crop, target), score in (
        (micro.positive_time_ids(size), micro.aesthetic_score),
        (micro.negative_time_ids(size, refiner=scored), micro.negative_aesthetic_score),
    ):
        end = (score,) if scored else _rows_first(target)
        rows.append(torch.tensor([[*_rows_first(original), *_rows_first(crop), *end]], dtype=torch.float32))
    return rows[0], rows[1]


def _rows_first(value: Size | Point) -> tuple[int, int]:
    return (value.height, value.width) if isinstance(value, Size) else (value.y, value.x)
