"""The first training stage: the VAE that encodes 4 × 4 picture pixels as one latent pixel."""

import math
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from .compose import compose, draw
from .config import Config
from .names import Name, load_names
from .parts import make_vae
from .training_state import TrainingLog, load_state, save_state
from .weight_init import start_vae

LATENT_NOISE = 0.06


def to_tensor(pictures: Sequence[Image.Image]) -> Tensor:
    """Return float32 [B, 3, H, W] in [-1, 1]."""
    stacked = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
    return stacked.permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1


def held_out(data: Path, size: int, count: int = 64) -> Tensor:
    """Return scenes of pictures that the VAE is never trained on: float32 [count, 3, size, size]."""
    taught = {name.picture for name in load_names(data, least_stars=0)}
    others = sorted(set((data / "src/pictures/package/assets").glob("*.webp")) - taught)
    rng = random.Random("held out")
    strangers = [Name((file.stem,), file, 1.0) for file in rng.sample(others, count)]
    return to_tensor([draw(compose(rng, [one], [1.0], size)) for one in strangers])


@torch.no_grad()
def round_trip(vae: AutoencoderKL, pictures: Tensor) -> float:
    """Return the mean PSNR, in dB, of the pictures after encoding and decoding."""
    values = []
    for part in torch.split(pictures, 16):
        part = part.to(vae.device)
        back = vae.decode(vae.encode(part).latent_dist.mean).sample.clamp(-1, 1)
        values.append(10 * torch.log10(4 / (back - part).square().mean((1, 2, 3))))
    return float(torch.cat(values).mean())


def batch(config: Config, names: Sequence[Name], step: int) -> Tensor:
    """Return the step's pictures: crops at first, whole pictures in the last quarter, because GroupNorm sees the
    whole."""
    rng = random.Random(f"vae {config.seed} {step}")
    whole = step > config.vae_steps * 3 // 4
    side = config.size if whole else config.vae_crop
    count = max(1, config.vae_batch * config.vae_crop**2 // side**2)
    pictures = []
    for _ in range(count):
        picture = draw(compose(rng, names, [1.0] * len(names), config.size))
        left, top = rng.randint(0, config.size - side), rng.randint(0, config.size - side)
        pictures.append(picture.crop((left, top, left + side, top + side)))
    return to_tensor(pictures)


def loss_of(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """L1 on pixels and on their differences, through noisy latents, so that details are stored robustly.

    A regularization towards the averaged picture keeps the latents smooth, which a small UNet learns faster.
    """
    mean = vae.encode(pictures).latent_dist.mean
    noise = torch.randn_like(mean) * LATENT_NOISE * torch.rand(len(mean), 1, 1, 1, device=mean.device)
    back = vae.decode(mean + noise).sample
    error = back - pictures
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    averaged = F.avg_pool2d(pictures, pictures.shape[-1] // mean.shape[-1])
    pull = (mean[:, :3] - averaged).square().mean()
    total: Tensor = error.abs().mean() + edges + error.square().mean() + 0.05 * pull
    return total


@torch.no_grad()
def latent_scale(vae: AutoencoderKL, config: Config, names: Sequence[Name]) -> float:
    """Return one over the standard deviation of the latents, which scales them to the noise."""
    rng = random.Random("scale")
    pictures = to_tensor([draw(compose(rng, names, [1.0] * len(names), config.size)) for _ in range(256)])
    latents = [vae.encode(part.to(vae.device)).latent_dist.mean for part in torch.split(pictures, 16)]
    return float(1 / torch.cat(latents).std())


def train_vae(config: Config, data: Path) -> None:
    """Train, or resume training, to `config.vae_steps`; saves `data/vae.pt` and, when done, `data/vae/`."""
    torch.manual_seed(config.seed)
    names, strangers = load_names(data, least_stars=0), held_out(data, config.size)
    vae = make_vae(config)
    start_vae(vae)
    vae.to(config.device)
    optimiser = torch.optim.AdamW(vae.parameters(), lr=config.vae_lr, betas=(0.9, 0.98), weight_decay=1e-4)
    begin, seconds = 0, 0.0
    if saved := load_state(data / "vae.pt", config.device):
        vae.load_state_dict(saved["vae"])
        optimiser.load_state_dict(saved["optimiser"])
        begin, seconds = saved["step"], saved["seconds"]
    log = TrainingLog(data / "vae.jsonl", seconds)
    for step in range(begin, config.vae_steps):
        torch.manual_seed(config.seed * 1_000_003 + step)
        rate = (
            config.vae_lr
            * min(1, (step + 1) / 60)
            * (0.01 + 0.99 * (1 + math.cos(math.pi * step / config.vae_steps)) / 2)
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        pictures = batch(config, names, step).to(config.device)
        loss = loss_of(vae, pictures)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        log.add(loss.item(), len(pictures))
        if (step + 1) % 150 == 0 or step + 1 == config.vae_steps:
            log.report(step + 1, held_out_db=round(round_trip(vae, strangers), 2))
            save_state(
                data / "vae.pt",
                {
                    "vae": vae.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step + 1,
                    "seconds": log.seconds,
                },
            )
    vae.register_to_config(scaling_factor=round(latent_scale(vae, config, names), 5))
    vae.save_pretrained(data / "vae")
