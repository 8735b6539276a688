"""A cache of the frozen text encoders' outputs per caption, so that training a UNet seldom waits for them."""

from collections.abc import Callable

import torch
from torch import Tensor

# The context [B, 77, E] and the pooled text [B, P] of token ids [2, B, 77].
Read = Callable[[Tensor], tuple[Tensor, Tensor]]


class TextEncodingCache:
    """Caches the results of `read` by caption; the oldest beyond `most` are evicted."""

    def __init__(self, read: Read, most: int = 6144) -> None:
        self.read, self.most = read, most
        self.known: dict[bytes, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def __call__(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        keys = [tokens[:, place].cpu().numpy().tobytes() for place in range(tokens.shape[1])]
        fresh = {key: place for place, key in enumerate(keys) if key not in self.known}
        if fresh:
            told = self.read(tokens[:, list(fresh.values())])
            self.known |= zip(fresh, zip(*(part.bfloat16() for part in told), strict=True), strict=True)
        contexts, pooled = zip(*(self.known[key] for key in keys), strict=True)
        while len(self.known) > self.most:
            self.known.pop(next(iter(self.known)))
        return torch.stack(contexts), torch.stack(pooled)
