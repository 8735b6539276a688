"""The model card of the exported parts: description, training, and the measured numbers."""

import json
from pathlib import Path
from typing import Any

from .config import Config
from .contact_sheet import GUIDANCE, STEPS
from .names import load_names
from .training_state import load_state

TEXT = """# Starter checkpoint

A small Stable Diffusion XL of our own, trained from scratch: {unet_m:.1f} million parameters in the UNet, native size
{size} × {size}. It is taught glossy 3-D pictures of {names:,} everyday things on named backgrounds, and draws at once
and without a network. It is SDXL in every structural respect (two CLIP text encoders whose second-to-last states are
joined, pooled text and size conditioning, three UNet levels, Euler scheduler and noise schedule), with two differences
that its configuration files state: a {factor}× VAE in place of SDXL's 8×, and velocity in place of noise as what the
UNet predicts.

## How to ask

`a red heart on a blue background` · `a sun on a light blue background` · `a red apple on a green background` ·
`a cat on a green background` · `a yellow star`

Recommended: {size} × {size}, {steps} steps, guidance {guidance}, EulerDiscreteScheduler (the default), no negative
prompt.
Backgrounds: {colours}.
The names are those of `tools/starter/names.txt` and, beside them, the labels of the picture package.

## Data and licence

Pictures: npm `@lobehub/fluent-emoji-3d` 1.1.0 (MIT; Microsoft's Fluent Emoji, MIT). Names: npm `emojibase-data` 17.0.0
(MIT).
{names:,} pictures are taught; training scenes place them on plain and gradient backgrounds, by position, size and
count.
The weights are under the licence of this project. See `resources/LICENSES.md`.

## Training

On {device}. VAE: {vae_steps:,} steps, {vae_hours:.2f} hours. Text encoders, which learn what words look like before
there is a UNet: {text_steps:,} steps, {text_hours:.2f} hours. UNet: {base_steps:,} steps, {samples:,} samples,
{base_hours:.2f} hours. Seed {seed}. Averaged weights, stored as fp16. {history}
A tenth of the captions are dropped to zeros, so guidance works as SDXL's `force_zeros_for_empty_prompt` expects.

## Measured, by `python -m tools.starter evaluate` on this folder through OpenVINO

| what | measured |
| --- | --- |
| right name first / among five, {prompts} prompts out of {names:,} names | {top1:.0%} / {top5:.0%} |
| named background colour drawn, 60 prompts of 16 colours | {background:.0%} |
| named position / count drawn, 40 / 20 prompts | {position:.0%} / {count:.0%} |
| VAE round trip, 64 pictures never trained on | {vae_held_out_db:.1f} dB |
| a crop from the top moves the subject up, 20 prompts | {crop_moves_up:.0%} |
| a small original size blurs, 20 prompts | {small_original_blurs:.0%} |
| {steps} guided steps on 2 CPU cores, compile excluded | {seconds_20_steps:.1f} s |

The text encoders were taught to foretell a thumbnail of the picture at the padding behind the words, and half of the
UNet's cross-attention heads to look there (`docs/starter.md`). Words are learnt soon that way; weights in a prompt,
which act on the words alone, move little.

The name is judged by the nearest training picture on the plain background under a hand-made descriptor of colours and
outlines (`tools/starter/picture_metrics.py`), which shares nothing with the checkpoint.

## Limits

It knows its {names:,} names and little else: an unknown word gives a mixture. Pairs and counts are softer than a single
subject. It draws cut-outs, not scenes, much the same from every seed, and should not be asked for sizes other than
about {size} × {size}. It is a demonstration and a test bed, not a rival of full-size SDXL.
"""


def training_facts(config: Config, data: Path, stage: str) -> dict[str, Any]:
    """Return steps, samples and hours of a finished stage, and the common facts of all cards.

    `data/history-<stage>.txt`, if present, describes earlier training of these weights. Raises FileNotFoundError before
    the stage.
    """
    state, history = load_state(data / f"{stage}.pt", "cpu"), data / f"history-{stage}.txt"
    if state is None:
        raise FileNotFoundError(f"{data} holds no state of this stage: run it first ({stage}.pt is missing).")
    return {
        "device": "one CPU core" if config.device == "cpu" else "one GPU",
        "size": config.size,
        "names": len(load_names(data, config.least_stars)),
        "steps": STEPS,
        "guidance": GUIDANCE,
        "trained_steps": state["step"],
        "trained_batch": config.batch,
        "samples": state["samples"],
        "hours": state["seconds"] / 3600,
        "seed": config.seed,
        "history": history.read_text(encoding="utf-8").strip() if history.is_file() else "",
    }


DATA_AND_LICENCE = """Pictures: npm `@lobehub/fluent-emoji-3d` 1.1.0 (MIT; Microsoft's Fluent Emoji, MIT).
Names: npm `emojibase-data` 17.0.0 (MIT). The weights are under the licence of this project; see
`resources/LICENSES.md`."""


def write_model_card(config: Config, data: Path, target: Path, numbers: dict[str, Any]) -> None:
    """Write `target/README.md` from the training state in `data` and the measured `numbers`.

    `data/history.txt`, if present, describes earlier training of these weights.
    """
    from .compose import COLOURS

    vae, text, base = (load_state(data / f"{stage}.pt", "cpu") for stage in ("vae", "text", "base"))
    if vae is None or text is None or base is None:
        raise FileNotFoundError(f"{data} holds no training state: run train-vae, train-text and train-base first.")
    history = data / "history.txt"
    weights = sum(value.numel() for key, value in base["model"].items() if key.startswith("unet."))
    facts = {
        "unet_m": weights / 1e6,
        "size": config.size,
        "factor": config.size // config.latent,
        "steps": STEPS,
        "guidance": GUIDANCE,
        "colours": ", ".join(COLOURS),
        "vae_steps": vae["step"],
        "history": history.read_text(encoding="utf-8").strip() if history.is_file() else "",
        "text_steps": text["step"],
        "text_hours": text["seconds"] / 3600,
        "device": "two CPU cores" if config.device == "cpu" else "one GPU",
        "vae_hours": vae["seconds"] / 3600,
        "base_steps": base["step"],
        "samples": base["samples"],
        "base_hours": base["seconds"] / 3600,
        "seed": config.seed,
        "names": len(load_names(data, config.least_stars)),
    }
    (target / "README.md").write_text(TEXT.format(**{**facts, **numbers}), encoding="utf-8")
    (data / "facts.json").write_text(json.dumps({**facts, **numbers}, indent=2) + "\n", encoding="utf-8")
