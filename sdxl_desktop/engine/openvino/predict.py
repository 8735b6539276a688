"""Asks the UNet what a noisy latent is made of, with everything that conditions it, and applies guidance."""

from __future__ import annotations

import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import rescale_noise_cfg

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import GenerationRequest, MicroConditioning
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.openvino.prompts import Conditioning


class Predictor:
    """One checkpoint's UNet under one request.

    `beside` float32 [1, K, h, w] are the channels that inpainting UNets see next to the latents.
    """

    def __init__(
        self,
        loaded: LoadedCheckpoint,
        request: GenerationRequest,
        conditioning: tuple[Conditioning, Conditioning],
        beside: torch.Tensor | None = None,
    ) -> None:
        self._unet = loaded.pipe.unet
        self._beside = beside
        self._scale = request.sampling.guidance_scale
        self._rescale = request.sampling.guidance_rescale
        embeds_guidance = self._unet.config.time_cond_proj_dim is not None
        self._guided = self._scale > 1 and not embeds_guidance
        positive, negative = conditioning
        ids = time_ids(request.micro_conditioning, request.sampling.size, scored=loaded.scored)
        self._embeddings = self._both(negative.embeddings, positive.embeddings)
        self._added = {
            "text_embeds": self._both(negative.pooled, positive.pooled),
            "time_ids": self._both(ids[1], ids[0]),
        }
        self._guidance = loaded.guidance_embedding(self._scale) if embeds_guidance else None

    def _both(self, negative: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
        return torch.cat([negative, positive]) if self._guided else positive

    def __call__(self, scaled: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The guided prediction float32 [1, C, h, w] for latents [1, C, h, w] as the scheduler scaled them."""
        sample = scaled if self._beside is None else torch.cat([scaled, self._beside], dim=1)
        said = self._unet(
            torch.cat([sample, sample]) if self._guided else sample,
            timestep,
            encoder_hidden_states=self._embeddings,
            timestep_cond=self._guidance,
            added_cond_kwargs=self._added,
        )[0]
        if not self._guided:
            return torch.as_tensor(said)
        without, with_words = said.chunk(2)
        guided = without + self._scale * (with_words - without)
        if self._rescale > 0:
            guided = rescale_noise_cfg(guided, with_words, guidance_rescale=self._rescale)
        return torch.as_tensor(guided)


def time_ids(micro: MicroConditioning, size: Size, *, scored: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """(positive, negative) float32 [1, 6]: original height and width, crop top and left, target height and width.

    Refiners (`scored`) have [1, 5], with the aesthetic score in the place of the target size.
    """
    rows = []
    for (original, crop, target), score in (
        (micro.positive_ids(size), micro.aesthetic_score),
        (micro.negative_ids(size), micro.negative_aesthetic_score),
    ):
        end = (score,) if scored else _rows_first(target)
        rows.append(torch.tensor([[*_rows_first(original), *_rows_first(crop), *end]], dtype=torch.float32))
    return rows[0], rows[1]


def _rows_first(value: Size | Point) -> tuple[int, int]:
    return (value.height, value.width) if isinstance(value, Size) else (value.y, value.x)
