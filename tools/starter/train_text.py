"""The stage between VAE and UNet: both text encoders learn the appearance of words, at a hundred captions a second.

It replaces CLIP's contrastive training, and does more for a UNet that must learn in hours: the 64 padding tokens from
`FIRST` on learn to represent the 8 × 8 regions of the picture (a coordinate network: Stanley, "Compositional pattern
producing networks", 2007). A linear head predicts each region from its token, another the small picture from the pooled
text. region_attention.py then trains the UNet to attend to these tokens.
"""

import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .compose import compose, draw
from .config import Config
from .names import load_names
from .parts import make_text_encoders
from .tokenizer import make_tokenizers
from .training_state import TrainingLog, load_state, save_state
from .weight_init import start_text

GRID, CELL, FIRST = 8, 4, 13
REGION = 3 * CELL * CELL
BATCH = 32


def position_encoding(grid: int, waves: int) -> Tensor:
    """Return cosines of each position of a `grid` × `grid` map, row by row: float32 [grid², waves²]."""
    place = (torch.arange(grid) + 0.5) / grid
    one = torch.cos(torch.pi * torch.arange(waves)[None] * place[:, None])
    return (one[:, None, :, None] * one[None, :, None, :]).reshape(grid * grid, waves * waves)


class RegionPredictor(nn.Module):
    """The two encoders and the heads, which are discarded after this stage."""

    def __init__(self, config: Config, data: Path) -> None:
        super().__init__()
        self.text_encoder, self.text_encoder_2 = make_text_encoders(config, *make_tokenizers(data))
        code = position_encoding(GRID, 7)
        for encoder in (self.text_encoder, self.text_encoder_2):
            start_text(encoder)
            table = encoder.text_model.embeddings.position_embedding.weight
            with torch.no_grad():
                table[FIRST:] = 0.3 * code @ torch.randn(code.shape[1], table.shape[1]) / 3
        self.regions = nn.Linear(sum(config.text_hidden), REGION)
        self.pooled = nn.Linear(config.text_hidden[1], REGION * GRID * GRID // 4)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return predicted regions [B, 64, REGION], which of them padding predicts [B, 64], and half-size pictures."""
        first = self.text_encoder(tokens[0], output_hidden_states=True).hidden_states[-2]
        second = self.text_encoder_2(tokens[1], output_hidden_states=True)
        end = (tokens == self.text_encoder.config.eos_token_id).int().argmax(2).amax(0)
        padding = torch.arange(FIRST, 77, device=end.device)[None] > end[:, None]
        states = torch.cat([first, second.hidden_states[-2]], dim=-1)[:, FIRST:]
        return self.regions(states), padding, self.pooled(second.text_embeds)


def make_scenes(config: Config, data: Path) -> tuple[Tensor, Tensor]:
    """Return token ids [2, N, 77] and pictures of 32 × 32 by region in bytes, uint8 [N, 64, REGION]."""
    names, tokenizers = load_names(data, config.least_stars), make_tokenizers(data)
    weights = [name.weight for name in names]
    scenes = [
        compose(random.Random(f"text {config.seed} {n}"), names, weights, config.size, config.text_variety, 0.0)
        for n in range(config.text_scenes)
    ]
    tokens = [
        tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
        for tokenizer, texts in zip(
            tokenizers, ([scene.prompt for scene in scenes], [scene.prompt_2 for scene in scenes]), strict=True
        )
    ]
    side = GRID * CELL
    small = torch.from_numpy(np.stack([np.asarray(draw(scene).resize((side, side), 4)) for scene in scenes]))
    parts = small.reshape(-1, GRID, CELL, GRID, CELL, 3).permute(0, 1, 3, 2, 4, 5)
    return torch.stack(tokens), parts.reshape(len(scenes), GRID * GRID, REGION)


def halved(pictures: Tensor) -> Tensor:
    """Average each 2 × 2 of the regions: [B, 64 · REGION / 4]."""
    cells = pictures.reshape(len(pictures), GRID * GRID, CELL // 2, 2, CELL // 2, 2, 3).mean((3, 5))
    return cells.reshape(len(pictures), -1)


def train_text(config: Config, data: Path) -> None:
    """Train, or resume training, to `config.text_steps`; saves `data/text.pt`."""
    torch.manual_seed(config.seed)
    model = RegionPredictor(config, data).to(config.device)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.text_lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True
    )
    begin, seconds = 0, 0.0
    if saved := load_state(data / "text.pt", config.device):
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        begin, seconds = saved["step"], saved["seconds"]
    tokens, pictures = make_scenes(config, data)
    middle = pictures.float().mean((0, 1)) / 127.5
    log = TrainingLog(data / "text.jsonl", seconds)
    for step in range(begin, config.text_steps):
        torch.manual_seed(config.seed * 1_000_003 + step)
        where = torch.randint(0, len(pictures), (BATCH,))
        wanted = (pictures[where] / 127.5 - middle).to(config.device)
        for group in optimiser.param_groups:
            group["lr"] = config.text_lr * min(1.0, (step + 1) / 100, 2 * (1 - step / config.text_steps))
        with torch.autocast(config.device, torch.bfloat16):
            regions, padding, pooled = model(tokens[:, where].to(config.device))
        error = ((regions.float() - wanted).square().mean(2) * padding).sum() / padding.sum()
        loss = error + (pooled.float() - halved(wanted)).square().mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        log.add(error.item() / float(wanted.square().mean()), BATCH)
        if (step + 1) % 100 == 0 or step + 1 == config.text_steps:
            log.report(step + 1)
            save_state(
                data / "text.pt",
                {
                    "model": model.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step + 1,
                    "seconds": log.seconds,
                },
            )
