"""A SDXL as shallow as can be, so that a whole conversion takes seconds: a level of the UNet without attention, and one
with a single transformer block in each of its places. SDXL's whole topologies are those of `tests.engine.tiny_sdxl`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tests.engine import tiny_sdxl

SMALL_UNET_CONFIG: dict[str, Any] = {
    "block_out_channels": (32, 64),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": (2, 4),
    "layers_per_block": 1,
    "transformer_layers_per_block": (1, 1),
}


def make_small_pipeline(folder: Path, **unet: Any) -> StableDiffusionXLPipeline:
    """Save a float32 pipeline in `folder` and return it."""
    torch.manual_seed(5)
    vocabulary, merges = tiny_sdxl.tiny_vocabulary()
    pipe = StableDiffusionXLPipeline(
        vae=tiny_sdxl.make_vae(),
        text_encoder=CLIPTextModel(_text(len(vocabulary), tiny_sdxl.WIDTH_1, "quick_gelu")),
        text_encoder_2=CLIPTextModelWithProjection(_text(len(vocabulary), tiny_sdxl.WIDTH_2, "gelu")),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token="<|endoftext|>", model_max_length=77),
        tokenizer_2=CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token="!", model_max_length=77),
        unet=tiny_sdxl.make_unet(**{**SMALL_UNET_CONFIG, **unet}),
        scheduler=EulerDiscreteScheduler.from_config(tiny_sdxl.SCHEDULER),
        add_watermarker=False,
    )
    saved: StableDiffusionXLPipeline = tiny_sdxl.saved_in(pipe, folder)
    return saved


def _text(vocabulary: int, width: int, activation: str) -> CLIPTextConfig:
    config = tiny_sdxl.text_config(vocabulary, width, activation)
    config.num_hidden_layers = 2
    return config
