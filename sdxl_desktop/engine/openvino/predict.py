"""Asks the UNet what a noisy latent is made of, with everything that conditions it, and applies guidance."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import GenerationRequest, MicroConditioning
from sdxl_desktop.engine.openvino.caching.features import FeatureCache
from sdxl_desktop.engine.openvino.caching.looks import Look, reminders
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.openvino.prompts import Conditioning
from sdxl_desktop.engine.openvino.rescale import rescaled


class Predictor:
    """One checkpoint's UNet under one request, for one stage of one picture, with `looks` at each of its calls.

    `beside` float32 [1, K, h, w] are the channels that inpainting UNets see next to the latents.
    """

    def __init__(
        self,
        loaded: LoadedCheckpoint,
        request: GenerationRequest,
        conditioning: tuple[Conditioning, Conditioning],
        looks: tuple[Look, ...],
        beside: torch.Tensor | None = None,
    ) -> None:
        self._unet = loaded.pipe.unet
        self._features = None if loaded.shallow is None else FeatureCache(self._unet.request, loaded.shallow)
        self.looks = looks
        self._beside = beside
        self._scale = request.sampling.guidance_scale
        self._rescale = request.sampling.guidance_rescale
        self._guided = loaded.is_guided(self._scale)
        positive, negative = conditioning
        ids = time_ids(request.micro_conditioning, request.sampling.size, scored=loaded.scored)
        conditions = {
            "encoder_hidden_states": self._both(negative.embeddings, positive.embeddings),
            "text_embeds": self._both(negative.pooled, positive.pooled),
            "time_ids": self._both(ids[1], ids[0]),
        }
        both = 2 if self._guided else 1
        self._conditions = {
            rows: {name: value[-rows:] for name, value in conditions.items()} | self._told_guidance(loaded)
            for rows in {1, both}
        }

    def _told_guidance(self, loaded: LoadedCheckpoint) -> dict[str, torch.Tensor]:
        return {"timestep_cond": loaded.guidance_embedding(self._scale)} if loaded.embeds_guidance else {}

    def _both(self, negative: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
        return torch.cat([negative, positive]) if self._guided else positive

    def __call__(self, scaled: torch.Tensor, timestep: torch.Tensor, call: int) -> torch.Tensor:
        """The prediction float32 [1, C, h, w] of call `call`, from 0, guided where its look says so, for latents
        [1, C, h, w] as the scheduler scaled them."""
        sample = scaled if self._beside is None else torch.cat([scaled, self._beside], dim=1)
        look = self.looks[call]
        inputs = self._inputs(torch.cat([sample, sample]) if look.guided else sample, timestep)
        said = self._foretold(inputs, look) if look.blend else self._computed(inputs, call)
        if not look.guided:
            return torch.as_tensor(said)
        both = said.numpy()  # a tenth of torch's time for so few numbers, and the same to the last bit
        without, with_words = both[:1], both[1:]
        guided = torch.from_numpy(without + np.float32(self._scale) * (with_words - without))
        if self._rescale > 0:
            guided = rescaled(guided, said[1:], self._rescale)
        return torch.as_tensor(guided)

    def _inputs(self, sample: torch.Tensor, timestep: torch.Tensor) -> dict[str, Any]:
        """By name; `sample` [B, C + K, h, w], B being 2 where it is guided: without the words, then with them."""
        return {"sample": sample, "timestep": timestep, **self._conditions[len(sample)]}

    def _computed(self, inputs: dict[str, Any], call: int) -> torch.Tensor:
        """What the whole UNet says; its deep feature is kept for the looks that need it."""
        said: torch.Tensor = self._unet(**inputs)[0]
        if self._features is not None:
            self._features.keep(call, reminders(self.looks, call + 1))
        return said

    def _foretold(self, inputs: dict[str, Any], look: Look) -> torch.Tensor:
        """What the UNet's shallow part says of earlier deep features."""
        assert self._features is not None
        return self._features.predict(inputs, look.blend)


def time_ids(micro: MicroConditioning, size: Size, *, scored: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """(positive, negative) float32 [1, 6]: original height and width, crop top and left, target height and width.

    Refiners (`scored`) have [1, 5], with the aesthetic score in the place of the target size.
    """
    rows = []
    for (original, crop, target), score in (
        (micro.positive_ids(size), micro.aesthetic_score),
        (micro.negative_ids(size, refiner=scored), micro.negative_aesthetic_score),
    ):
        end = (score,) if scored else _rows_first(target)
        rows.append(torch.tensor([[*_rows_first(original), *_rows_first(crop), *end]], dtype=torch.float32))
    return rows[0], rows[1]


def _rows_first(value: Size | Point) -> tuple[int, int]:
    return (value.height, value.width) if isinstance(value, Size) else (value.y, value.x)
