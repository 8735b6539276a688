"""The LoRA example: a style, old photographs, trained on the base's UNet only.

After Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685). The file is in diffusers'
layout, as `StableDiffusionXLPipeline.save_lora_weights` writes it.
"""

import random
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image, ImageOps

from .compose import Scene, draw
from .config import Config
from .contact_sheet import save_sheet
from .parts import make_scheduler
from .scene_pool import ScenePool
from .train_base import Base, load_vae, make_loss, make_pipeline, saved_base
from .training import Trainer, TrainingSchedule, load_weights

FILE = "sepia.safetensors"
# The attention, as usual, and the layers that carry colour past it: the pooled text, and the full-size convolutions.
LAYERS = (
    r"(.*\.(to_q|to_k|to_v|to_out\.0|proj_in|proj_out|time_emb_proj)|add_embedding\.linear_\d|conv_in|conv_out"
    r"|up_blocks\.1\.upsamplers\.0\.conv|up_blocks\.2\..*conv\w*)"
)
INK, PAPER = (40, 22, 10), (252, 236, 204)


def as_sepia(picture: Image.Image) -> Image.Image:
    """Map the picture's brightness to brown to cream."""
    return ImageOps.colorize(ImageOps.grayscale(picture), INK, PAPER)


def as_photograph(scene: Scene, _: random.Random) -> tuple[Image.Image, tuple[float, ...]]:
    """Return the scene in sepia, with its unchanged caption, and SDXL's six ids."""
    return as_sepia(draw(scene)), scene.time_ids


def with_lora(config: Config, base: Base) -> Base:
    """Return `base`, frozen, with two small trainable matrices next to each of `LAYERS` in its UNet."""
    base.requires_grad_(False)
    base.unet.add_adapter(LoraConfig(r=config.lora_rank, lora_alpha=config.lora_rank, target_modules=LAYERS))
    return base.to(config.device)


def write_lora(model: Base, file: Path) -> None:
    """Write the small matrices only, fp16. Their scale, alpha / rank, is 1, the meaning of a file without alphas."""
    layers = {name: weight.half().contiguous() for name, weight in get_peft_model_state_dict(model.unet).items()}
    StableDiffusionXLPipeline.save_lora_weights(file.parent, unet_lora_layers=layers, weight_name=file.name)


def train_lora(config: Config, data: Path, file: Path) -> None:
    """Train, or resume training, to `config.lora_steps`; saves `data/lora.pt`, a sheet, and at the end `file`."""
    torch.manual_seed(config.seed)
    vae = load_vae(config, data).to(config.device).eval()
    model = with_lora(config, saved_base(config, data))
    recipe = TrainingSchedule(
        "lora", config.lora_steps, config.batch, config.lora_lr, config.addition_warmup, config.addition_ema
    )
    training = Trainer(recipe, config, data, model)
    smaller = replace(config, pool=config.addition_pool)
    pool = ScenePool(smaller, data, vae, training.samples, training.saved_pool, show=as_photograph)
    alphas = make_scheduler().alphas_cumprod.to(config.device)
    training.run(pool, make_loss(model, config, alphas, len(alphas)))
    load_weights(model, training.average)
    save_sheet(make_pipeline(config, data, model.eval()), data / "sheets" / "lora.png")
    write_lora(model, file)
