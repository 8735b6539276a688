"""Writes the same random LoRA in every layout, for the tiny SDXL, and evaluates parts in torch and in OpenVINO."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import save_file

from sdxl_desktop.core.parts import Part
from sdxl_desktop.lora.reading import Lora, LoraDelta

PARTS = ("unet", "text_encoder", "text_encoder_2")
ENCODER_LAYERS = tuple(
    f"text_model.encoder.layers.{n}.{inner}"
    for n in (0, 1, 2)
    for inner in (
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.out_proj",
        "mlp.fc1",
        "mlp.fc2",
    )
)
# diffusers' name -> the original implementation's, written down by hand from its state dict.
UNET_LAYERS = {
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q": "input_blocks.4.1.transformer_blocks.0.attn1.to_q",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0": (
        "input_blocks.4.1.transformer_blocks.0.attn1.to_out.0"
    ),
    "down_blocks.2.attentions.1.transformer_blocks.1.attn2.to_k": "input_blocks.8.1.transformer_blocks.1.attn2.to_k",
    "mid_block.attentions.0.transformer_blocks.1.attn2.to_v": "middle_block.1.transformer_blocks.1.attn2.to_v",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.2": "middle_block.1.transformer_blocks.0.ff.net.2",
    "up_blocks.0.attentions.0.transformer_blocks.1.attn1.to_v": "output_blocks.0.1.transformer_blocks.1.attn1.to_v",
    "up_blocks.0.attentions.2.transformer_blocks.0.ff.net.0.proj": (
        "output_blocks.2.1.transformer_blocks.0.ff.net.0.proj"
    ),
    "up_blocks.1.attentions.1.proj_in": "output_blocks.4.1.proj_in",
    "up_blocks.1.attentions.1.proj_out": "output_blocks.4.1.proj_out",
}
UNET_CONVOLUTIONS = {
    "down_blocks.0.resnets.1.conv1": "input_blocks.2.0.in_layers.2",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.3.0.op",
    "down_blocks.1.resnets.0.conv_shortcut": "input_blocks.4.0.skip_connection",
    "down_blocks.1.resnets.0.time_emb_proj": "input_blocks.4.0.emb_layers.1",
    "mid_block.resnets.1.conv2": "middle_block.2.out_layers.3",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.2.2.conv",
    "up_blocks.2.resnets.2.conv1": "output_blocks.8.0.in_layers.2",
}


@dataclass(frozen=True)
class Factors:
    down: torch.Tensor
    up: torch.Tensor


FactorsByLayer = dict[str, dict[str, Factors]]
"""Part -> layer -> factors."""


def random_factors(
    pipe: StableDiffusionXLPipeline,
    *,
    seed: int = 0,
    convolutions: bool = True,
    parts: Sequence[str] = PARTS,
    ranks: Sequence[int] = (3, 4, 5),
) -> FactorsByLayer:
    """Factors for every layer named above that `pipe` has, of `ranks` in turn, large enough to change every output."""
    generator = torch.Generator().manual_seed(seed)
    found: FactorsByLayer = {}
    for part in parts:
        modules = dict(getattr(pipe, part).named_modules())
        names = list(UNET_LAYERS) + list(UNET_CONVOLUTIONS) * convolutions if part == "unet" else list(ENCODER_LAYERS)
        for n, name in enumerate(name for name in names if name in modules):
            outputs, inputs, *kernel = modules[name].weight.shape
            rank = ranks[n % len(ranks)]
            down = torch.randn(rank, inputs, *kernel, generator=generator) * 0.15
            up = torch.randn(outputs, rank, *(1 for _ in kernel), generator=generator) * 0.15
            found.setdefault(part, {})[name] = Factors(down, up)
    return found


def write_peft(file: Path, difference: FactorsByLayer, alpha: float | None = None) -> Path:
    """diffusers' layout of today; with `alpha` as diffusers writes it, in the header."""
    tensors = {}
    for part, layers in difference.items():
        for name, factors in layers.items():
            tensors[f"{part}.{name}.lora_A.weight"] = factors.down
            tensors[f"{part}.{name}.lora_B.weight"] = factors.up
    metadata = {"format": "pt"}
    if alpha is not None:
        settings: dict[str, Any] = {}
        for part, layers in difference.items():
            ranks = {name: len(factors.down) for name, factors in layers.items()}
            settings |= {
                f"{part}.r": 4,
                f"{part}.lora_alpha": alpha,
                f"{part}.rank_pattern": {name: rank for name, rank in ranks.items() if rank != 4},
                f"{part}.alpha_pattern": {next(iter(ranks)): 2 * alpha},
                f"{part}.target_modules": list(ranks),
            }
        metadata["lora_adapter_metadata"] = json.dumps(settings)
    save_file(tensors, file, metadata)
    return file


def write_legacy_diffusers(file: Path, difference: FactorsByLayer) -> Path:
    """diffusers' layouts before PEFT: attention processors, `lora_linear_layer` elsewhere. No convolutions."""
    tensors = {}
    for part, layers in difference.items():
        for name, factors in layers.items():
            if part == "unet" and ".attn" in name:
                attention, _, projection = name.replace(".to_out.0", ".to_out").rpartition(".")
                stem = f"{part}.{attention}.processor.{projection}_lora"
            elif "self_attn" in name:
                stem = f"{part}.{name.replace('q_proj', 'to_q').replace('k_proj', 'to_k')}"
                stem = f"{stem.replace('v_proj', 'to_v').replace('out_proj', 'to_out')}_lora"
            else:
                stem = f"{part}.{name}.lora" if part == "unet" else f"{part}.{name}.lora_linear_layer"
            tensors[f"{stem}.down.weight"], tensors[f"{stem}.up.weight"] = factors.down, factors.up
    save_file(tensors, file)
    return file


def write_kohya(file: Path, difference: FactorsByLayer, *, alpha: float = 2.0, sgm: bool = False) -> Path:
    """kohya's layout, with diffusers' or SGM's block names."""
    tensors = {}
    original = UNET_LAYERS | UNET_CONVOLUTIONS
    for part, layers in difference.items():
        prefix = {"unet": "lora_unet", "text_encoder": "lora_te1", "text_encoder_2": "lora_te2"}[part]
        for name, factors in layers.items():
            spelled = original[name] if sgm and part == "unet" else name
            stem = f"{prefix}_{spelled.replace('.', '_')}"
            tensors[f"{stem}.lora_down.weight"] = factors.down
            tensors[f"{stem}.lora_up.weight"] = factors.up
            tensors[f"{stem}.alpha"] = torch.tensor(alpha)
    save_file(tensors, file)
    return file


def random_inputs(part: str, unet_config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Fixed inputs for a part, by the names that the exported part has."""
    random = np.random.default_rng(5)
    if part != "unet":
        return {"input_ids": random.integers(0, 400, (2, 77))}
    width, size = unet_config["cross_attention_dim"], unet_config["projection_class_embeddings_input_dim"]
    return {
        "sample": random.normal(size=(2, unet_config["in_channels"], 16, 16)).astype(np.float32),
        "timestep": np.array(321, np.int64),
        "encoder_hidden_states": random.normal(size=(2, 77, width)).astype(np.float32),
        "text_embeds": random.normal(size=(2, size - 6 * unet_config["addition_time_embed_dim"])).astype(np.float32),
        "time_ids": np.array([[96, 128, 0, 0, 96, 128]] * 2, np.float32),
    }


def lora_layers(lora: Lora, part: Part) -> dict[str, LoraDelta]:
    """The changes of one part by layer, each of which must be of two or three factors."""
    found: dict[str, LoraDelta] = {}
    for name, change in lora.weight_deltas[part].items():
        assert isinstance(change, LoraDelta)
        found[name] = change
    return found


def torch_output(pipe: StableDiffusionXLPipeline, part: str, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """What diffusers computes: the UNet's prediction, or the encoder's outputs that SDXL uses, flat."""
    tensors = {name: torch.from_numpy(np.asarray(value)) for name, value in inputs.items()}
    with torch.no_grad():
        if part == "unet":
            conditions = {name: tensors.pop(name) for name in ("text_embeds", "time_ids")}
            predicted: np.ndarray = pipe.unet(**tensors, added_cond_kwargs=conditions).sample.numpy()
            return predicted.ravel()
        found = getattr(pipe, part)(**tensors, output_hidden_states=True)
    used = [found.hidden_states[-2], *([found.text_embeds] if part == "text_encoder_2" else [])]
    return torch.cat([values.ravel() for values in used]).numpy()


def compiled_output(part: str, model: ov.Model | Path, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The same from OpenVINO, activations in float32; `model` is one, or the folder of a part."""
    core = ov.Core()
    if isinstance(model, Path):
        model = core.read_model(model / "openvino_model.xml")
    exact = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
    outputs = core.compile_model(model, "CPU", exact)(dict(inputs))
    used = {"unet": ["out_sample"], "text_encoder": ["hidden_states.2"]}.get(part, ["hidden_states.2", "text_embeds"])
    return np.concatenate([np.ravel(outputs[name]) for name in used])


def max_difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())
