"""Owns every number of the starter checkpoint: sizes, schedules and folders, for a CPU and for a GPU."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Config:
    """One training recipe; lengths are in pixels of the picture unless a name says latent."""

    seed: int = 20
    # 64 × 64 passes about four times as many samples an hour as 128 × 128, and outlines form.
    size: int = 64
    # The favourites of names.txt are learnt in a CPU's hours; all of them together would stay a blur.
    least_stars: int = 2
    # VAE: three levels, so one latent pixel is 4 × 4 picture pixels. Groups of 8, 16 and 32 channels leave room
    # for the eight channels that the analytic start uses (see warmstart.py).
    vae_channels: tuple[int, ...] = (24, 48, 96)
    vae_groups: int = 3
    vae_batch: int = 12
    vae_crop: int = 64
    vae_lr: float = 2e-3
    vae_steps: int = 1050
    # UNet: most parameters sit where the feature map is smallest, because CPU time is what runs out.
    unet_channels: tuple[int, ...] = (48, 96, 192)
    unet_heads: tuple[int, ...] = (1, 2, 3)
    unet_groups: int = 4
    time_ids_dim: int = 32
    text_hidden: tuple[int, int] = (128, 192)
    text_layers: tuple[int, int] = (2, 3)
    text_heads: tuple[int, int] = (2, 3)
    text_steps: int = 900
    batch: int = 16
    lr: float = 1.5e-3
    warmup: int = 200
    steps: int = 7500
    ema: float = 0.997
    caption_dropout: float = 0.1
    align_step: int = 2000
    time_exponent: float = 0.65
    offset_noise: float = 0.08
    # The first scenes are nearly all one centred subject, which gives each name a picture soon.
    simple_scenes: int = 5000
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
    least_stars=0,
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
    pool=65_536,
    reuse=4,
    threads=8,
    device="cuda",
)


def pick() -> Config:
    """The larger recipe where there is a GPU, the two-core one elsewhere."""
    config = GPU if torch.cuda.is_available() else CPU
    torch.set_num_threads(config.threads)
    return config


def default_data() -> Path:
    """The folder for pictures and training state: the platform's cache folder, never the repository."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "sdxl-desktop-starter"
