"""Takes back the excess of contrast that strong guidance gives."""

from __future__ import annotations

import torch


def rescaled(guided: torch.Tensor, with_words: torch.Tensor, share: float) -> torch.Tensor:
    """`guided`, float32 [B, C, h, w], mixed, by `share` in [0, 1], with itself at the deviation of `with_words`.

    Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", arXiv 2305.08891, section 3.4; the order
    of operations is diffusers' (`rescale_noise_cfg`), to the last bit, without the seconds that importing its pipelines
    takes.
    """
    axes = list(range(1, guided.ndim))
    deviations = with_words.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True)
    return share * (guided * deviations) + (1 - share) * guided
