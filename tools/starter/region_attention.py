"""Owns the lesson in where to look: cross-attention learns that each place of the picture has a token of its own.

The text encoders already say at 64 padding tokens what the 64 regions of the picture hold (train_text.py). A UNet
knows places only from the zero padding at its borders, and by the picture's error alone it finds out which token
belongs to which place after far more samples than a CPU has. So half of the heads of each cross-attention are also
told: by the cross-entropy between where they look and where the region's token stands, the frame's shift by cropping
included.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .train_text import FIRST, GRID

NOWHERE = -100


def region_tokens(side: int, time_ids: Tensor) -> Tensor:
    """For each place of a `side` × `side` map, row by row, the token of its region; NOWHERE outside: [B, side²].

    Scenes are centred on a canvas of the original size, of which the frame shows what begins at the crop.
    """
    place = (torch.arange(side, device=time_ids.device) + 0.5) / side
    original, crop, target = time_ids[:, 0:2], time_ids[:, 2:4], time_ids[:, 4:6]
    beyond = (original - target).clamp(min=0)
    shift = (crop - beyond / 2) / target
    cells = ((place[None, None] + shift[:, :, None]) * GRID).floor().long()
    rows, columns = cells[:, 0, :, None], cells[:, 1, None, :]
    inside = (rows >= 0) & (rows < GRID) & (columns >= 0) & (columns < GRID)
    return torch.where(inside, FIRST + rows * GRID + columns, NOWHERE).flatten(1)


def without_words(tokens: Tensor, end_token: int) -> Tensor:
    """Which of the 77 tokens stand after the end of the caption in both encoders' numbers [2, B, 77]: bool [B, 77]."""
    end = (tokens == end_token).int().argmax(2).amax(0)
    return torch.arange(tokens.shape[2], device=tokens.device)[None] > end[:, None]


class RegionAttention:
    """Watches the cross-attentions of `unet` while it runs, and then says how far their heads look astray."""

    def __init__(self, unet: nn.Module, regions: Tensor | None) -> None:
        self.seen: list[tuple[Any, Tensor, Tensor]] = []
        for name, module in unet.named_modules():
            if name.endswith("attn2"):
                module.register_forward_pre_hook(self.keep, with_kwargs=True)
                if regions is not None:
                    self.hand_regions(module, regions)

    def keep(self, attention: nn.Module, args: Any, options: Any) -> None:
        if torch.is_grad_enabled():
            self.seen.append((attention, args[0], options["encoder_hidden_states"]))

    @staticmethod
    @torch.no_grad()
    def hand_regions(attention: Any, regions: Tensor) -> None:
        """Let the heads that learn places read off a token what `regions` [REGION, E] foretells from it."""
        width = attention.to_v.weight.shape[0] // attention.heads
        for head in range(taught(attention)):
            rows = min(width, len(regions))
            attention.to_v.weight[head * width : head * width + rows] = regions[:rows]

    def attention_loss(self, tokens: Tensor, end_token: int, time_ids: Tensor, keep: Tensor) -> Tensor:
        """The mean cross-entropy of the last run's taught heads, where the caption was kept; forgets the run."""
        free = without_words(tokens, end_token) & (keep > 0)[:, None]
        losses = [self.loss_of(*one, free, time_ids) for one in self.seen]
        self.seen.clear()
        return torch.stack(losses).mean()

    @staticmethod
    def loss_of(attention: Any, hidden: Tensor, context: Tensor, free: Tensor, time_ids: Tensor) -> Tensor:
        heads = taught(attention)
        width = attention.to_q.weight.shape[0] // attention.heads
        queries = _split(functional.linear(hidden, attention.to_q.weight[: heads * width]), heads)
        keys = _split(functional.linear(context, attention.to_k.weight[: heads * width]), heads)
        logits = torch.einsum("bqhw,bkhw->bhqk", queries, keys).float() / width**0.5
        wanted = region_tokens(round(hidden.shape[1] ** 0.5), time_ids)
        usable = free.gather(1, wanted.clamp(min=0))
        wanted = torch.where(usable, wanted, NOWHERE)[:, None].expand(-1, heads, -1)
        return functional.cross_entropy(logits.flatten(0, 2), wanted.flatten(), ignore_index=NOWHERE)


def _split(values: Tensor, heads: int) -> Tensor:
    """[B, N, heads · W] as [B, N, heads, W]."""
    return values.reshape(*values.shape[:2], heads, -1)


def taught(attention: Any) -> int:
    """How many of a cross-attention's heads learn places; the others look where they like."""
    heads: int = attention.heads
    return max(1, heads // 2)
