"""The forward process that the UNet stages share: sampling of timesteps and noise, and the definition of velocity.

α stands for the cumulative product ᾱ of the schedule at a sample's time; noisy = √α · latents + √(1 − α) · noise, and
velocity = √α · noise − √(1 − α) · latents (Salimans and Ho, arXiv 2202.00512). Tensors are [B, 4, H, W], α is [B].
"""

import torch
from torch import Tensor


def draw_spans(count: int, exponent: float, device: torch.device) -> Tensor:
    """Return `count` numbers in [0, 1), stratified into as many spans: less gradient noise than independent sampling.

    An exponent below 1 makes the spans narrower near 1, at high noise, where only the text determines the picture.
    """
    spans = (torch.arange(count, device=device) + torch.rand(count, device=device)) / count
    return spans**exponent


def draw_noise(latents: Tensor, offset: float) -> Tensor:
    """Return Gaussian noise plus a shift of whole channels of size `offset`.

    Because of the shift, the colour of flat backgrounds is learnt from the text, not from the leak of the mean through
    the noise (crosslabs.org, "Diffusion with offset noise").
    """
    return torch.randn_like(latents) + offset * torch.randn(len(latents), latents.shape[1], 1, 1, device=latents.device)


def roots(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Return √α and √(1 − α) as [B, 1, 1, 1]."""
    alpha = alpha.view(-1, 1, 1, 1)
    return alpha.sqrt(), (1 - alpha).sqrt()


def noised(latents: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    keep, add = roots(alpha)
    return keep * latents + add * noise


def velocity_of(latents: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    keep, add = roots(alpha)
    return keep * noise - add * latents


def split_velocity(noisy: Tensor, velocity: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Return the latents and the noise that a velocity implies for `noisy`."""
    keep, add = roots(alpha)
    return keep * noisy - add * velocity, add * noisy + keep * velocity


def loss_weight(alpha: Tensor) -> Tensor:
    """Return the weight of the squared velocity error: min-SNR-5 (Hang et al., arXiv 2303.09556), but at least that at
    SNR 1."""
    snr = alpha / (1 - alpha)
    return snr.clamp(1.0, 5.0) / (snr + 1)


def velocity_loss(predicted: Tensor, velocity: Tensor, alpha: Tensor) -> Tensor:
    """Return the weighted mean squared error, a scalar."""
    errors = (predicted.float() - velocity).square().mean((1, 2, 3))
    weighted: Tensor = (errors * loss_weight(alpha)).mean()
    return weighted
