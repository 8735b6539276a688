"""Writes a diffusers pipeline as one file in SDXL's original layout, independently of the product's own tables.

By substitutions in names, as diffusers' script `convert_diffusers_to_original_sdxl.py` does it, for any depth.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

Weights = dict[str, torch.Tensor]

_RESNET = [
    ("in_layers.0", "norm1"),
    ("in_layers.2", "conv1"),
    ("out_layers.0", "norm2"),
    ("out_layers.3", "conv2"),
    ("emb_layers.1", "time_emb_proj"),
    ("skip_connection", "conv_shortcut"),
]
_OUTER = [
    ("time_embed.0.", "time_embedding.linear_1."),
    ("time_embed.2.", "time_embedding.linear_2."),
    ("time_embed.cond_proj.", "time_embedding.cond_proj."),
    ("label_emb.0.0.", "add_embedding.linear_1."),
    ("label_emb.0.2.", "add_embedding.linear_2."),
    ("input_blocks.0.0.", "conv_in."),
    ("out.0.", "conv_norm_out."),
    ("out.2.", "conv_out."),
]


def unet_to_original(weights: Weights, levels: int, layers: int) -> Weights:
    """`levels` of `layers` resnets each; on the way up each level has one more."""
    blocks: list[tuple[str, str]] = []
    place = 1
    for level in range(levels):
        for layer in range(layers):
            blocks.append((f"input_blocks.{place}.0.", f"down_blocks.{level}.resnets.{layer}."))
            blocks.append((f"input_blocks.{place}.1.", f"down_blocks.{level}.attentions.{layer}."))
            place += 1
        blocks.append((f"input_blocks.{place}.0.op.", f"down_blocks.{level}.downsamplers.0.conv."))
        place += 1
    place = 0
    for level in range(levels):
        attends = any(name.startswith(f"up_blocks.{level}.attentions.") for name in weights)
        for layer in range(layers + 1):
            blocks.append((f"output_blocks.{place}.0.", f"up_blocks.{level}.resnets.{layer}."))
            blocks.append((f"output_blocks.{place}.1.", f"up_blocks.{level}.attentions.{layer}."))
            place += 1
        blocks.append(
            (f"output_blocks.{place - 1}.{2 if attends else 1}.conv.", f"up_blocks.{level}.upsamplers.0.conv.")
        )
    blocks += [
        ("middle_block.0.", "mid_block.resnets.0."),
        ("middle_block.1.", "mid_block.attentions.0."),
        ("middle_block.2.", "mid_block.resnets.1."),
    ]
    renamed = {}
    for name, tensor in weights.items():
        new = name
        if ".resnets." in name:
            for theirs, ours in _RESNET:
                new = new.replace(f".{ours}.", f".{theirs}.")
        for theirs, ours in [*blocks, *_OUTER]:
            if new.startswith(ours):
                new = theirs + new.removeprefix(ours)
                break
        renamed[new] = tensor
    return renamed


def vae_to_original(weights: Weights, levels: int) -> Weights:
    renamed = {}
    for name, tensor in weights.items():
        new = name
        for number in (0, 1):
            new = new.replace(f"mid_block.resnets.{number}.", f"mid.block_{number + 1}.")
        new = new.replace("mid_block.attentions.0.", "mid.attn_1.")
        if ".attn_1." in new:
            for ours, theirs in (
                ("group_norm", "norm"),
                ("to_q", "q"),
                ("to_k", "k"),
                ("to_v", "v"),
                ("to_out.0", "proj_out"),
            ):
                new = new.replace(f".{ours}.", f".{theirs}.")
            tensor = tensor[..., None, None] if tensor.ndim == 2 else tensor
        new = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", new)
        new = re.sub(r"up_blocks\.(\d+)\.resnets\.", lambda at: f"up.{levels - 1 - int(at[1])}.block.", new)
        new = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", new)
        new = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0\.", lambda at: f"up.{levels - 1 - int(at[1])}.upsample.", new)
        new = new.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        renamed[new] = tensor
    return renamed


def text_encoder_to_open_clip(weights: Weights) -> Weights:
    """transformers' second text encoder as OpenCLIP names it, query, key and value in one."""
    renamed: Weights = {}
    plain = {
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "text_model.final_layer_norm.weight": "ln_final.weight",
        "text_model.final_layer_norm.bias": "ln_final.bias",
    }
    for name, tensor in weights.items():
        if name in plain:
            renamed[plain[name]] = tensor
        elif name == "text_projection.weight":
            renamed["text_projection"] = tensor.T.contiguous()
        elif ".q_proj." in name:
            whole = torch.cat([weights[name.replace("q_proj", f"{which}_proj")] for which in "qkv"])
            kind = name.rsplit(".", 1)[1]
            layer = name.split("layers.")[1].split(".")[0]
            renamed[f"transformer.resblocks.{layer}.attn.in_proj_{kind}"] = whole
        elif ".k_proj." not in name and ".v_proj." not in name:
            new = name.replace("text_model.encoder.layers.", "transformer.resblocks.")
            for ours, theirs in (
                ("layer_norm1", "ln_1"),
                ("layer_norm2", "ln_2"),
                ("mlp.fc1", "mlp.c_fc"),
                ("mlp.fc2", "mlp.c_proj"),
                ("self_attn.out_proj", "attn.out_proj"),
            ):
                new = new.replace(ours, theirs)
            renamed[new] = tensor
    return renamed


def checkpoint_to_original(pipe: Any) -> Weights:
    """All of a pipeline's tensors under the original file's names."""
    unet, vae = pipe.unet, pipe.vae
    levels = len(unet.config.block_out_channels)
    parts = {
        "model.diffusion_model.": unet_to_original(unet.state_dict(), levels, unet.config.layers_per_block),
        "first_stage_model.": vae_to_original(vae.state_dict(), len(vae.config.block_out_channels)),
    }
    second = "conditioner.embedders.0.model."
    if getattr(pipe, "text_encoder", None) is not None:
        second = "conditioner.embedders.1.model."
        parts["conditioner.embedders.0.transformer."] = pipe.text_encoder.state_dict()
    parts[second] = text_encoder_to_open_clip(pipe.text_encoder_2.state_dict())
    return {prefix + name: tensor for prefix, tensors in parts.items() for name, tensor in tensors.items()}


def save(weights: Weights, file: Path) -> None:
    save_file({name: tensor.contiguous().clone() for name, tensor in weights.items()}, file)
