"""Makes tiny SDXL checkpoints with random weights: SDXL's own topologies at a size that runs in milliseconds."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from optimum.exporters.openvino import main_export
from optimum.exporters.openvino.convert import export_models, get_diffusion_models_for_export_ext
from optimum.intel import OVConfig
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tests.garbage import without_garbage_collections

LATENT_SIDE = 16
VAE_FACTOR = 8
WIDTH_1, WIDTH_2, POOLED = 32, 48, 64
"""Of the first encoder, the second encoder, and the second one's projection."""
TIME_WIDTH = 8

ENCODERS = ("tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2")
VAE_PARTS = ("vae_encoder", "vae_decoder")
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
"""As published with SDXL base, with settings that only other schedulers read."""


class Topology(StrEnum):
    """What makes a checkpoint's UNet different from SDXL base's."""

    BASE = "base"
    REFINER = "refiner"
    """Four levels, the second encoder alone, an aesthetic score in the place of the target size."""
    INPAINT = "inpaint"
    """Nine input channels: latents, mask, latents of the masked picture."""
    SSD_1B = "ssd-1b"
    """Blocks of unequal transformer depth, none in the middle."""
    VEGA = "vega"
    """As SSD-1B, shallower."""
    LCM = "lcm"
    """SSD-1B's blocks (as in LCM-SSD-1B), the guidance scale embedded with the timestep."""


DERIVED = tuple(topology for topology in Topology if topology is not Topology.BASE)
OTHER_VAE = "other-vae"

SHALLOW: dict[str, Any] = {"layers_per_block": 1, "transformer_layers_per_block": (1, 1, 1)}
"""Of SDXL base's topology, with half its layers: compiled, exported and computed in half the time."""
# SSD-1B: transformer_layers_per_block [1, [2, 2], [4, 4]], reversed [[4, 4, 10], [2, 1, 1], 1], no transformer in the
# middle. Vega: [1, [1, 1], [2, 2]], reversed [[2, 2, 2], [1, 1, 1], 1]. Here each has a layer less in every block.
_SSD_1B: dict[str, Any] = {
    "layers_per_block": 1,
    "transformer_layers_per_block": [1, [2], [3]],
    "reverse_transformer_layers_per_block": [[2, 4], [2, 1], 1],
    "mid_block_type": "UNetMidBlock2D",
}
_VEGA: dict[str, Any] = {
    **_SSD_1B,
    "transformer_layers_per_block": [1, [1], [2]],
    "reverse_transformer_layers_per_block": [[2, 2], [1, 1], 1],
}

UNET_OPTIONS: dict[Topology, dict[str, Any]] = {
    Topology.BASE: {},
    Topology.REFINER: {
        "block_out_channels": (32, 64, 64, 64),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (2, 4, 4, 4),
        "layers_per_block": 1,
        "transformer_layers_per_block": 1,
        "cross_attention_dim": WIDTH_2,
        "projection_class_embeddings_input_dim": POOLED + 5 * TIME_WIDTH,
    },
    Topology.INPAINT: {"in_channels": 9, **SHALLOW},
    Topology.SSD_1B: _SSD_1B,
    Topology.VEGA: _VEGA,
    Topology.LCM: {**_SSD_1B, "time_cond_proj_dim": 32},
}


def make_torch(folder: Path, **unet: Any) -> StableDiffusionXLPipeline:
    """Save a float32 diffusers pipeline of SDXL base's topology in `folder` and return it; with `unet` of the UNet's
    configuration changed."""
    torch.manual_seed(0)
    vocabulary, merges = tiny_vocabulary()
    pipe = StableDiffusionXLPipeline(
        vae=make_vae(),
        text_encoder=CLIPTextModel(text_config(len(vocabulary), WIDTH_1, "quick_gelu")),
        text_encoder_2=CLIPTextModelWithProjection(text_config(len(vocabulary), WIDTH_2, "gelu")),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token="<|endoftext|>", model_max_length=77),
        tokenizer_2=CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token="!", model_max_length=77),
        unet=make_unet(**unet),
        scheduler=EulerDiscreteScheduler.from_config(SCHEDULER),
        add_watermarker=False,
    )
    return saved_in(pipe, folder)


def export(torch_folder: Path, folder: Path) -> None:
    """Write the OpenVINO float32 parts of the pipeline in `torch_folder`, with optimum-intel's own export."""
    with without_garbage_collections():
        main_export(str(torch_folder), folder, task="text-to-image", weight_format="fp32", library_name="diffusers")


def make_family(base: Path, folder: Path, topologies: Iterable[Topology] = DERIVED) -> None:
    """From `base`, which holds `torch` and `ov`, make `folder`/TOPOLOGY/{torch, ov} for each topology.

    They share encoders and VAE with the base byte for byte; only the UNets are exported.
    """
    for number, topology in enumerate(topologies, start=1):
        torch.manual_seed(100 + number)
        _save_beside(
            base, _derived(StableDiffusionXLPipeline.from_pretrained(base / "torch"), topology), folder / topology
        )


def make_deep(base: Path, folder: Path) -> None:
    """`folder`/{torch, ov}: the pipeline in `base` with a UNet that has as many layers in a block as SDXL base's."""
    torch.manual_seed(100)
    _save_beside(base, StableDiffusionXLPipeline.from_pretrained(base / "torch", unet=make_unet()), folder)


def make_other_vae(base: Path, folder: Path) -> None:
    """Another VAE for the checkpoint in `base`: `folder`/other-vae/torch, and /ov with its two OpenVINO parts."""
    torch.manual_seed(200)
    pipe = StableDiffusionXLPipeline.from_pretrained(base / "torch", vae=make_vae())
    pipe.vae.save_pretrained(folder / OTHER_VAE / "torch")
    _export_parts(pipe, folder / OTHER_VAE / "ov", VAE_PARTS)


def make_unet(**options: Any) -> UNet2DConditionModel:
    """SDXL base's UNet with `options` of its configuration changed. Its predictions have about unit deviation, as a
    trained one's have, so that its conditioning shows in the picture."""
    unet = UNet2DConditionModel(
        **{
            "sample_size": LATENT_SIDE,
            "in_channels": 4,
            "out_channels": 4,
            "layers_per_block": 2,
            "block_out_channels": (32, 64, 64),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "attention_head_dim": (2, 4, 4),
            "transformer_layers_per_block": (1, 1, 2),
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": TIME_WIDTH,
            "projection_class_embeddings_input_dim": POOLED + 6 * TIME_WIDTH,
            "cross_attention_dim": WIDTH_1 + WIDTH_2,
            "norm_num_groups": 8,
            **options,
        }
    )
    with torch.no_grad():
        unet.add_embedding.linear_2.weight *= 4
        unet.conv_out.weight *= 3
    return unet


def make_vae() -> AutoencoderKL:
    """A VAE whose latents hang on the picture much more than on chance: a mean of SDXL's size, a small deviation."""
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=LATENT_SIDE * VAE_FACTOR,
        scaling_factor=0.13025,
        force_upcast=True,
    )
    with torch.no_grad():
        vae.quant_conv.weight[:4] *= 20
        vae.quant_conv.weight[4:] *= 0.5
        vae.quant_conv.bias[4:] = -1.4  # a deviation of about 0.5
        vae.decoder.conv_out.weight *= 2
    return vae


def _save_beside(base: Path, pipe: Any, folder: Path) -> None:
    """Save `pipe` as `folder`/{torch, ov}; what is not its UNet is what `base` has."""
    saved_in(pipe, folder / "torch")
    exported = folder / "ov"
    shared = [part for part in (*ENCODERS, *VAE_PARTS) if getattr(pipe, part, True) is not None]
    for part in shared:
        shutil.copytree(base / "ov" / part, exported / part)
    pipe.scheduler.save_pretrained(exported / "scheduler")
    shutil.copy(folder / "torch" / "model_index.json", exported)
    _export_parts(pipe, exported, ("unet",))


def saved_in(pipe: Any, folder: Path) -> Any:
    for part in (pipe.unet, pipe.vae, pipe.text_encoder, pipe.text_encoder_2):
        if part is not None:
            part.eval()
    pipe.save_pretrained(folder, safe_serialization=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _derived(base: StableDiffusionXLPipeline, topology: Topology) -> DiffusionPipeline:
    parts = {**base.components, "unet": make_unet(**UNET_OPTIONS[topology])}
    match topology:
        case Topology.REFINER:
            return StableDiffusionXLImg2ImgPipeline(
                **{**parts, "text_encoder": None, "tokenizer": None},
                requires_aesthetics_score=True,
                force_zeros_for_empty_prompt=False,
                add_watermarker=False,
            )
        case Topology.INPAINT:
            return StableDiffusionXLInpaintPipeline(**parts, add_watermarker=False)
        case Topology.LCM:
            return StableDiffusionXLPipeline(
                **{**parts, "scheduler": LCMScheduler.from_config(SCHEDULER)}, add_watermarker=False
            )
    return StableDiffusionXLPipeline(**parts, add_watermarker=False)


def _export_parts(pipe: Any, folder: Path, parts: Iterable[str]) -> None:
    """Export some parts only, with optimum-intel's own configurations."""
    known = get_diffusion_models_for_export_ext(pipe)[1]
    for part in parts:
        known[part][0].save_config(folder / part)
        with without_garbage_collections():
            export_models(
                {part: known[part]},
                folder,
                [f"{part}/openvino_model.xml"],
                ov_config=OVConfig(dtype="fp32"),
                stateful=False,
                library_name="diffusers",
            )


def tiny_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
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


def text_config(vocabulary: int, hidden: int, activation: str) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=POOLED,
        hidden_act=activation,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
