"""Makes tiny SDXL checkpoints with random weights: SDXL's own topology at a size that runs in milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from optimum.exporters.openvino import main_export
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

LATENT_SIDE = 16
VAE_FACTOR = 8


def make_torch(folder: Path, *, time_cond: bool = False, seed: int = 0) -> StableDiffusionXLPipeline:
    """Save a float32 diffusers pipeline in `folder` and return it."""
    torch.manual_seed(seed)
    vocabulary, merges = _vocabulary()
    pipe = StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config(len(vocabulary), 32, "quick_gelu")),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(len(vocabulary), 48, "gelu")),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token="<|endoftext|>", model_max_length=77),
        tokenizer_2=CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token="!", model_max_length=77),
        unet=_unet(time_cond),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        add_watermarker=False,
    )
    for module in (pipe.unet, pipe.vae, pipe.text_encoder, pipe.text_encoder_2):
        module.eval()
    pipe.save_pretrained(folder, safe_serialization=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def export(torch_folder: Path, folder: Path) -> None:
    """Write the OpenVINO float32 parts of the pipeline in `torch_folder`."""
    main_export(str(torch_folder), folder, task="text-to-image", weight_format="fp32", library_name="diffusers")


def _vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """CLIP's byte alphabet, with and without the end-of-word mark, and the two special tokens; no merges but a few."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]
    merges = [("c", "a"), ("ca", "t</w>"), ("r", "e"), ("re", "d</w>")]
    tokens = [
        *alphabet,
        *(letter + "</w>" for letter in alphabet),
        *(first + second for first, second in merges),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    return {token: index for index, token in enumerate(tokens)}, merges


def _text_config(vocabulary: int, hidden: int, activation: str) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=64,
        hidden_act=activation,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )


def _unet(time_cond: bool) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=4,
        out_channels=4,
        layers_per_block=2,
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4, 4),
        transformer_layers_per_block=(1, 1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=64 + 6 * 8,
        cross_attention_dim=32 + 48,
        norm_num_groups=8,
        time_cond_proj_dim=32 if time_cond else None,
    )


def _vae() -> AutoencoderKL:
    blocks: dict[str, Any] = {
        "block_out_channels": (16, 32, 32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    }
    return AutoencoderKL(
        **blocks,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=LATENT_SIDE * VAE_FACTOR,
        scaling_factor=0.13025,
        force_upcast=True,
    )
