"""The pool of encoded scenes for training, which makes composing and encoding cheap per sample."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor
from transformers import CLIPTokenizer

from .compose import Scene, compose, draw
from .config import Config
from .names import load_names
from .tokenizer import make_tokenizers
from .train_vae import to_tensor

CHUNK = 16
# The picture of a scene, and its time ids for the UNet.
RenderScene = Callable[[Scene, random.Random], tuple[Image.Image, tuple[float, ...]]]
# Replaces a scene by another.
RewriteScene = Callable[[Scene, random.Random], Scene]


def as_composed(scene: Scene, rng: random.Random) -> tuple[Image.Image, tuple[float, ...]]:
    """Return the unchanged scene and SDXL's six ids."""
    return draw(scene), scene.time_ids


def same_caption(scene: Scene, rng: random.Random) -> Scene:
    return scene


class ScenePool:
    """`config.pool` scenes, of which the oldest `CHUNK` are replaced after every `config.reuse` × `CHUNK` samples.

    Scene number n depends on the seed and n only, so a resumed run has exactly the scenes of an uninterrupted one.
    """

    def __init__(
        self,
        config: Config,
        data: Path,
        vae: AutoencoderKL,
        samples: int,
        saved: dict[str, Any] | None,
        *,
        show: RenderScene = as_composed,
        retell: RewriteScene = same_caption,
        ids: int = 6,
        tokenizers: tuple[CLIPTokenizer, CLIPTokenizer] | None = None,
    ) -> None:
        self.config, self.vae, self.show, self.retell = config, vae, show, retell
        self.names = load_names(data, config.least_stars)
        self.weights = [name.weight for name in self.names]
        self.tokenizers = tokenizers or make_tokenizers(data)
        size = config.pool
        self.latents = torch.empty(size, 4, config.latent, config.latent)
        self.tokens = torch.empty(2, size, 77, dtype=torch.long)
        self.time_ids = torch.empty(size, ids)
        self.made = self.due(samples) - size
        if saved is not None and len(saved["latents"]) == size:
            self.latents, self.tokens, self.time_ids = saved["latents"], saved["tokens"], saved["time_ids"]
            self.made = saved["made"]
        self.advance(samples)

    def state(self) -> dict[str, Any]:
        """Return the encoded scenes, which a resumed run would otherwise need a minute to encode again."""
        return {"latents": self.latents, "tokens": self.tokens, "time_ids": self.time_ids, "made": self.made}

    def due(self, samples: int) -> int:
        """Return the total number of scenes made once `samples` samples have been drawn."""
        return self.config.pool + samples // (self.config.reuse * CHUNK) * CHUNK

    def advance(self, samples: int) -> None:
        while self.made < self.due(samples):
            self.fill(self.made)
            self.made += CHUNK

    @torch.no_grad()
    def fill(self, first: int) -> None:
        scenes, shown = [], []
        for number in range(first, first + CHUNK):
            rng = random.Random(f"scene {self.config.seed} {number}")
            variety = 0.1 if number < self.config.simple_scenes else self.config.variety
            scene = compose(rng, self.names, self.weights, self.config.size, variety)
            scenes.append(self.retell(scene, rng))
            shown.append(self.show(scenes[-1], rng))
        where = [number % self.config.pool for number in range(first, first + CHUNK)]
        pictures = to_tensor([picture for picture, _ in shown]).to(self.vae.device)
        latents = self.vae.encode(pictures).latent_dist.mean * self.vae.config.scaling_factor
        self.latents[where] = latents.cpu()
        self.time_ids[where] = torch.tensor([ids for _, ids in shown], dtype=torch.float32)
        prompts = ([scene.prompt for scene in scenes], [scene.prompt_2 for scene in scenes])
        for which, (tokenizer, texts) in enumerate(zip(self.tokenizers, prompts, strict=True)):
            self.tokens[which, where] = tokenizer(
                texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
            ).input_ids

    def batch(self, rng: random.Random, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return scaled latents [B, 4, H, W], token ids [2, B, 77] and time ids [B, ids] of `count` random scenes."""
        where = [rng.randrange(self.config.pool) for _ in range(count)]
        device = self.config.device
        return (
            self.latents[where].to(device),
            self.tokens[:, where].to(device),
            self.time_ids[where].to(device),
        )
