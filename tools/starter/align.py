"""Owns the one-time turning of the UNet's cross-attention towards the tokens that stand for regions of the picture.

A UNet knows places only from the zero padding at its borders, and finds out which token belongs to which place only
after far more samples than a CPU has. Both are nearly linear in its features after a short training, so least squares
solves for them.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .train_text import FIRST, GRID, place_code

STRENGTH = 40.0


def solve(known: Tensor, wanted: Tensor) -> Tensor:
    """Ridge regression: the [wanted, known] matrix that best turns rows of `known` into rows of `wanted`."""
    square = known.T @ known
    ridge = 1e-3 * square.diagonal().mean() * torch.eye(len(square), device=known.device)
    solved: Tensor = torch.linalg.solve(square + ridge, known.T @ wanted).T
    return solved


def record(model: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, tuple[Tensor, Tensor]]:
    """For each cross-attention by name: its queries' inputs [B, places, C] and its keys' inputs [B, 77, E]."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    hooks = []
    for name, module in model.named_modules():
        if name.endswith("attn2"):

            def keep(_: nn.Module, args: Any, options: Any, name: str = name) -> None:
                seen[name] = (args[0].float(), options["encoder_hidden_states"].float())

            hooks.append(module.register_forward_pre_hook(keep, with_kwargs=True))
    model(*inputs)
    for hook in hooks:
        hook.remove()
    return seen


@torch.no_grad()
def align(model: nn.Module, inputs: tuple[Tensor, ...], regions: Tensor) -> None:
    """Make each place attend to its region's token and read there what `regions` [REGION, E] foretells.

    `inputs` are those of the model's forward, for a few dozen samples at mixed times.
    """
    modules: dict[str, Any] = dict(model.named_modules())
    for name, (queries, context) in record(model, inputs).items():
        attention = modules[name]
        side = round(queries.shape[1] ** 0.5)
        width = attention.to_q.weight.shape[0] // attention.heads
        waves = int(width**0.5)
        places = place_code(side, waves).to(queries.device).repeat(len(queries), 1)
        tokens = torch.zeros(77, waves * waves, device=queries.device)
        tokens[FIRST : FIRST + GRID * GRID] = place_code(GRID, waves).to(queries.device)
        to_query = solve(queries.flatten(0, 1), places)
        to_key = solve(context.flatten(0, 1), tokens.repeat(len(context), 1))
        attention.to_q.weight.zero_()
        attention.to_k.weight.zero_()
        for head in range(attention.heads):
            rows = slice(head * width, head * width + waves * waves)
            attention.to_q.weight[rows] = STRENGTH * to_query
            attention.to_k.weight[rows] = to_key
        attention.to_v.weight[: min(len(regions), len(attention.to_v.weight))] = regions[: len(attention.to_v.weight)]
