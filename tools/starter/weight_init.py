"""The analytic initialization: weights that already compute the linear part before training begins.

A randomly initialized VAE spends most of a CPU's hours learning to pass colours through. Here its first six channels
carry +RGB and −RGB through every layer (SiLU(x) − SiLU(−x) = x undoes the activation), two constant channels in the
same norm group keep GroupNorm from removing brightness, and every residual branch starts at zero (Zhang et al., Fixup,
arXiv 1901.09321). The VAE thus begins as "average 4 × 4 pixels, enlarge smoothly", about 22 dB, and learns the rest.
"""

from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

PAIRS = 6
CARRIED = 8
CONSTANT = 2.0


def clear_rows(layer: nn.Conv2d, rows: slice) -> None:
    layer.weight[rows] = 0
    if layer.bias is not None:
        layer.bias[rows] = 0


def zero_residuals(model: nn.Module) -> None:
    """Zero the last layer of each residual branch, and let shortcuts pass the carried channels through."""
    module: Any
    for module in model.modules():
        kind = type(module).__name__
        if kind == "ResnetBlock2D":
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
            if module.conv_shortcut is not None:
                clear_rows(module.conv_shortcut, slice(CARRIED))
                for channel in range(CARRIED):
                    module.conv_shortcut.weight[channel, channel] = 1
        elif kind == "Attention":
            nn.init.zeros_(module.to_out[0].weight)
            nn.init.zeros_(module.to_out[0].bias)


def init_passthrough(layer: nn.Conv2d, kernel: Tensor) -> None:
    """Make the carried channels pass through `layer` filtered by the 3 × 3 `kernel`."""
    clear_rows(layer, slice(CARRIED))
    for channel in range(CARRIED):
        layer.weight[channel, channel] = kernel


def split(layer: Any, gain: float) -> None:
    """Turn three colours into ± pairs and two constants; the other channels stay random."""
    clear_rows(layer, slice(CARRIED))
    for colour in range(3):
        layer.weight[colour, colour, 1, 1] = gain
        layer.weight[colour + 3, colour, 1, 1] = -gain
    layer.bias[PAIRS:CARRIED] = torch.tensor([CONSTANT, -CONSTANT])


def join(layer: Any, gain: float) -> None:
    """Recover the three colours from the ± pairs."""
    nn.init.normal_(layer.weight, std=0.003)
    nn.init.zeros_(layer.bias)
    for colour in range(3):
        layer.weight[colour, colour, 1, 1] = gain
        layer.weight[colour, colour + 3, 1, 1] = -gain


@torch.no_grad()
def start_vae(vae: AutoencoderKL) -> None:
    """Initialize `vae` analytically: latents 0–2 are locally averaged RGB in about [−1, 1], latent 3 is free."""
    zero_residuals(vae)
    average, smooth = torch.zeros(3, 3), torch.tensor([1.0, 2.0, 1.0]) / 4
    average[:2, :2] = 0.25
    split(vae.encoder.conv_in, 1.0)
    for block in vae.encoder.down_blocks:
        for sampler in block.downsamplers or ():
            # The encoder's downsampler pads right and bottom, so the first 2 × 2 weights cover one whole cell.
            init_passthrough(sampler.conv, average)
    join(vae.encoder.conv_out, 1.0)
    vae.encoder.conv_out.weight[3] = 0.02 * torch.randn_like(vae.encoder.conv_out.weight[3])
    nn.init.zeros_(vae.quant_conv.weight)
    nn.init.eye_(vae.quant_conv.weight[:4, :4, 0, 0])
    nn.init.zeros_(vae.quant_conv.bias)
    vae.quant_conv.bias[4:] = -6.0
    nn.init.zeros_(vae.post_quant_conv.bias)
    nn.init.eye_(vae.post_quant_conv.weight[:, :, 0, 0])
    split(vae.decoder.conv_in, 1.0)
    for block in vae.decoder.up_blocks:
        for sampler in block.upsamplers or ():
            init_passthrough(sampler.conv, torch.outer(smooth, smooth))
    join(vae.decoder.conv_out, 1.0)


@torch.no_grad()
def start_text(encoder: CLIPTextModel | CLIPTextModelWithProjection) -> None:
    """Initialize token embeddings at about unit scale: CLIP's own 0.02 leaves cross-attention almost no input at
    first."""
    embeddings = encoder.text_model.embeddings
    nn.init.normal_(embeddings.token_embedding.weight, std=0.5)
    nn.init.normal_(embeddings.position_embedding.weight, std=0.1)


@torch.no_grad()
def start_unet(unet: UNet2DConditionModel) -> None:
    """Initialize every residual branch and the output with zero (Dhariwal and Nichol, arXiv 2105.05233)."""
    module: Any
    for module in unet.modules():
        kind = type(module).__name__
        if kind == "ResnetBlock2D":
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
        elif kind == "Transformer2DModel":
            nn.init.zeros_(module.proj_out.weight)
            nn.init.zeros_(module.proj_out.bias)
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)
