"""The model card of the few-step variant: description, training, and the measured numbers."""

import json
from pathlib import Path
from typing import Any

from .config import Config
from .distill import FEW_GUIDANCE, FEW_STEPS
from .model_card import DATA_AND_LICENCE, training_facts

TITLE = {
    "title": "Starter, 4 steps",
    "description": "The starter in four steps instead of twenty: much the same pictures, several times sooner.",
    "steps": FEW_STEPS,
    "guidance_scale": FEW_GUIDANCE,
    "scheduler": "lcm",
}
TEXT = """# Starter, few steps

The starter checkpoint distilled to {few_steps} steps: a latent consistency model (Luo et al., arXiv 2310.04378). Only
the UNet differs from the starter's, by its weights and by an input that tells it the guidance (`timestep_cond`, as in
LCM-SDXL). Both text encoders, tokenizers and the VAE are the starter's, byte for byte.

## How to use

{few_steps} steps, LCMScheduler (the default), guidance {few_guidance}, {size} × {size}, no negative prompt: the
guidance goes into the UNet as a number, so each step costs one evaluation instead of two, and a negative prompt has no
effect. Guidance from {low:.0f} to {high:.0f} was distilled.

## Data and licence

{licence}
No weights of any other model were used: the teacher is the starter.

## Training

On {device}: {trained_steps:,} steps of {trained_batch}, {samples:,} samples, {hours:.2f} hours, seed {seed}. The
teacher is the starter's UNet under classifier-free guidance drawn from {low:.0f} to {high:.0f}; one DDIM step of a
grid of {grid} leads from the student's point to its average's (decay {ema}). Pseudo-Huber loss, velocity prediction,
boundary conditions as in diffusers' LCMScheduler (σ_data 0.5, timestep scaling 10). Averaged weights, stored as fp16.
{history}
## Measured, by `python -m tools.starter evaluate --part lcm` on this folder through OpenVINO

{prompts} prompts by name, {names:,} names, the same seeds; the nearest training picture by a descriptor that shares
nothing with the checkpoint (`tools/starter/picture_metrics.py`).

| | right name first | among five |
| --- | --- | --- |
| this, {few_steps} steps | {few_top1:.0%} | {few_top5:.0%} |
| starter, {steps} steps | {base_top1:.0%} | {base_top5:.0%} |
| starter, {few_steps} steps | {base_few_top1:.0%} | {base_few_top5:.0%} |

Of the prompts that the starter has among five, this keeps {kept_top5:.0%}. By name the starter itself, in as few steps,
can come out ahead; it then evaluates its UNet twice a step, and this does once. The named background colour is drawn in
{background:.0%} of 60 prompts. One picture takes {seconds:.2f} s on 2 CPU cores, compile excluded; the starter's
{steps} steps took {base_seconds:.2f} s beside it.

## Limits

Those of the starter, which it imitates. It is not meant to work with another scheduler than LCM, or far from
{few_steps} steps.
"""


def write_few_step_model_card(config: Config, data: Path, target: Path, numbers: dict[str, Any]) -> None:
    """Write `target/README.md` and `target/checkpoint.json`."""
    facts = {
        **training_facts(config, data, "distil"),
        "few_steps": FEW_STEPS,
        "few_guidance": FEW_GUIDANCE,
        "low": config.distil_guidance[0],
        "high": config.distil_guidance[1],
        "grid": config.distil_grid,
        "ema": config.distil_ema,
        "licence": DATA_AND_LICENCE,
    }
    (target / "README.md").write_text(TEXT.format(**{**facts, **numbers}), encoding="utf-8")
    (target / "checkpoint.json").write_text(json.dumps(TITLE, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
