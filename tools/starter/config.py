"""All numbers of the starter checkpoint: sizes, schedules and folders, for a CPU and for a GPU."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import torch


@dataclass(frozen=True)
class Config:
    """One training configuration; lengths are in picture pixels unless a name says latent."""

    seed: int = 20
    # 64 × 64 trains three times as many samples per hour as 128 × 128, and one region of the text encoders' predictions
    # (train_text.py) is one position of the UNet's middle level.
    size: int = 64
    # All distinguishable pictures; 0 would use only those of names.txt, and 2 its favourites.
    least_stars: int = -1
    # VAE: three levels, so one latent pixel is 4 × 4 picture pixels. Groups of 8, 16 and 32 channels leave room
    # for the eight channels that the analytic initialization uses (see weight_init.py).
    vae_channels: tuple[int, ...] = (24, 48, 96)
    vae_groups: int = 3
    vae_batch: int = 12
    vae_crop: int = 64
    vae_lr: float = 2e-3
    vae_steps: int = 1050
    # UNet: most parameters are where the feature map is smallest, because CPU time is the bottleneck.
    unet_channels: tuple[int, ...] = (48, 112, 144)
    unet_heads: tuple[int, ...] = (1, 2, 2)
    unet_groups: int = 8
    time_ids_dim: int = 32
    text_hidden: tuple[int, int] = (192, 256)
    text_layers: tuple[int, int] = (3, 4)
    text_heads: tuple[int, int] = (3, 4)
    text_wide: int = 4
    text_scenes: int = 32_768
    text_variety: float = 0.4
    text_steps: int = 5700
    text_lr: float = 1.5e-3
    batch: int = 16
    lr: float = 1.5e-3
    warmup: int = 200
    steps: int = 6000
    ema: float = 0.997
    caption_dropout: float = 0.1
    # Weight of the region-attention loss relative to the velocity loss (region_attention.py).
    place_weight: float = 0.15
    time_exponent: float = 0.65
    offset_noise: float = 0.08
    # The first scenes are nearly all one centred subject, so that each name is learnt early.
    simple_scenes: int = 5000
    variety: float = 0.34
    # The refiner is trained on the last fifth of the noise schedule only.
    refiner_times: int = 200
    refiner_steps: int = 1000
    refiner_lr: float = 1e-3
    refiner_ema: float = 0.99
    # The few-step variant: 50 steps of DDIM, of which the student learns to jump to the end; the guidance that is
    # distilled into it is drawn from a range, as a guidance scale of classifier-free guidance.
    distil_steps: int = 800
    distil_lr: float = 5e-4
    distil_ema: float = 0.95
    distil_grid: int = 50
    distil_guidance: tuple[float, float] = (2.0, 5.0)
    guidance_dim: int = 256
    # The two small additions of the starter: a LoRA and an embedding.
    lora_rank: int = 4
    lora_steps: int = 400
    lora_lr: float = 3e-3
    embedding_steps: int = 250
    embedding_lr: float = 1e-2
    addition_warmup: int = 20
    addition_ema: float = 0.97
    addition_pool: int = 256
    pool: int = 1024
    reuse: int = 10
    threads: int = 2
    device: str = "cpu"

    @property
    def latent(self) -> int:
        """Side of the latents in latent pixels."""
        return self.size >> (len(self.vae_channels) - 1)


CPU = Config()
GPU = Config(
    size=128,
    vae_channels=(48, 96, 192),
    vae_batch=64,
    vae_crop=128,
    vae_steps=40_000,
    vae_lr=1e-3,
    unet_channels=(128, 256, 384),
    unet_heads=(2, 4, 6),
    unet_groups=8,
    batch=256,
    lr=5e-4,
    warmup=1000,
    steps=100_000,
    ema=0.9995,
    refiner_steps=40_000,
    refiner_lr=3e-4,
    refiner_ema=0.999,
    distil_steps=20_000,
    distil_lr=1e-4,
    pool=65_536,
    reuse=4,
    threads=8,
    device="cuda",
)


def change(config: Config, settings: Sequence[str]) -> Config:
    """Return the configuration changed by settings such as `threads=1`; raises ValueError for invalid ones."""
    changed: dict[str, int | float] = {}
    for setting in settings:
        name, _, number = setting.partition("=")
        kind = type(getattr(config, name, None))
        if kind not in (int, float):
            known = ", ".join(
                field.name for field in fields(config) if type(getattr(config, field.name)) in (int, float)
            )
            raise ValueError(f"{name!r} is no number of the recipe; these are: {known}.")
        changed[name] = kind(number)
    return replace(config, **cast(Any, changed))


def pick(settings: Sequence[str] = ()) -> Config:
    """Return the larger configuration if there is a GPU, else the two-core one, changed by `settings`."""
    config = change(GPU if torch.cuda.is_available() else CPU, settings)
    torch.set_num_threads(config.threads)
    return config


def default_data() -> Path:
    """Return the folder for pictures and training state: the platform's cache folder, never the repository."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "sdxl-desktop-starter"
