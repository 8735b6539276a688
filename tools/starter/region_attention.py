"""The region-attention loss: cross-attention learns that each region of the picture has a token of its own.

The text encoders already predict at 64 padding tokens the content of the picture's 64 regions (train_text.py). A UNet
knows positions only from the zero padding at its borders, and from the picture's error alone it learns which token
belongs to which region only after far more samples than a CPU can process. So half of the heads of each cross-attention
are also trained with the cross-entropy between their attention and the position of the region's token, including the
frame's shift by cropping.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .train_text import FIRST, GRID

NOWHERE = -100


def region_tokens(side: int, time_ids: Tensor) -> Tensor:
    """Return for each position of a `side` × `side` map, row by row, the token of its region; NOWHERE outside: [B,
    side²].

    Scenes are centred on a canvas of the original size; the frame shows the part that begins at the crop.
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
    """Return which of the 77 tokens are after the end of the caption in both encoders' ids [2, B, 77]: bool [B, 77]."""
    end = (tokens == end_token).int().argmax(2).amax(0)
    return torch.arange(tokens.shape[2], device=tokens.device)[None] > end[:, None]


class RegionAttention:
    """Records the cross-attentions of `unet` during a run, and then computes the loss of their heads."""

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
        """Initialize the trained heads to read from a token what `regions` [REGION, E] predicts from it."""
        width = attention.to_v.weight.shape[0] // attention.heads
        for head in range(taught(attention)):
            rows = min(width, len(regions))
            attention.to_v.weight[head * width : head * width + rows] = regions[:rows]

    def attention_loss(self, tokens: Tensor, end_token: int, time_ids: Tensor, keep: Tensor) -> Tensor:
        """Return the mean cross-entropy of the last run's trained heads, for samples with a caption; clears the
        record."""
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
    """Reshape [B, N, heads · W] to [B, N, heads, W]."""
    return values.reshape(*values.shape[:2], heads, -1)


def taught(attention: Any) -> int:
    """Return how many of a cross-attention's heads are trained on regions; the others are unconstrained."""
    heads: int = attention.heads
    return max(1, heads // 2)
