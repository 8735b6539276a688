"""The model card of the refiner: description, training, and the measured numbers."""

import json
from pathlib import Path
from typing import Any

from .config import Config
from .model_card import DATA_AND_LICENCE, training_facts

TITLE = {
    "title": "Starter refiner",
    "description": "Finishes the starter's pictures: sharper outlines, by the aesthetic score asked for.",
    "steps": 20,
    "guidance_scale": 2.0,
    "scheduler": "euler",
}
TEXT = """# Starter refiner

The refiner of the starter checkpoint: a second UNet, of {unet_m:.1f} million parameters, that knows only the last fifth
of the noise schedule (times below {times} of 1,000; one network for each range of noise, as in eDiff-I, arXiv
2211.01324). Like SDXL's refiner it reads the second text encoder alone and is told five ids: original height and width,
crop top and left, and an aesthetic score. VAE, second text encoder and tokenizer are the starter's, byte for byte.

## How to use

After the starter, at an ensemble hand-off of 0.8: the starter with `denoising_end=0.8`, its latents to the refiner with
`denoising_start=0.8`. Or on a finished picture, as image to image with strength up to 0.3. {steps} steps, guidance
{guidance}, EulerDiscreteScheduler. `aesthetic_score` 9 for the sharpest pictures, 2 for soft ones; the usual 6 lies
between.

## What the score means

Sharpness, contrast and cleanness, measured on the picture (`tools/starter/aesthetic.py`): how much of the picture's
range its steepest edges cross in one pixel, times how large that range is, times how little grain there is, from 1 to
10. Half of the training pictures were blurred, paled or made grainy and were told the low score that they then had;
scenes as composed have mostly 6 to 9.

## Data and licence

{licence}

## Training

On {device}: {trained_steps:,} steps of {trained_batch}, {samples:,} samples, {hours:.2f} hours, started from the base's
UNet where the two have the same columns, velocity prediction, seed {seed}. A tenth of the captions are dropped to
zeros. Averaged weights, stored as fp16. {history}

## Measured, by `python -m tools.starter evaluate --part refiner` on this folder through OpenVINO

{prompts} prompts by name, {names:,} names, the same seeds in each row. Gradient energy is the mean squared brightness
gradient (× 1,000; the training pictures of these names have {real_energy:.1f}), sharpness the mean absolute Laplacian
(× 1,000), feature distance the distance to the training picture of that name by a descriptor that shares nothing with
the checkpoint (`tools/starter/picture_metrics.py`), nearest the share whose nearest training picture is the right one.

| | gradient energy | sharpness | measured score | feature distance | nearest |
| --- | --- | --- | --- | --- | --- |
{table}

Score 9 has more gradient energy than score 2 in {ensemble_9_above_2:.0%} of the pictures after a hand-off and in
{img2img_9_above_2:.0%} by image to image, and more than the base alone in {ensemble_9_above_base:.0%} and in
{img2img_9_above_base:.0%}.

## Limits

It sharpens what the base has begun and does not mend its shapes. Above
strength 0.2 its first steps meet more noise than it was trained on, above 0.3 too much. Native size {size} × {size}.
"""
ROWS = {
    "base": "base alone",
    "ensemble_2": "hand-off 0.8, score 2",
    "ensemble_6": "hand-off 0.8, score 6",
    "ensemble_9": "hand-off 0.8, score 9",
    "img2img_2": "image to image 0.3, score 2",
    "img2img_6": "image to image 0.3, score 6",
    "img2img_9": "image to image 0.3, score 9",
}


def table(numbers: dict[str, Any]) -> str:
    rows = []
    for way, words in ROWS.items():
        energy, sharpness, score = (numbers[f"{way}_{what}"] for what in ("energy", "sharpness", "score"))
        distance, top1 = numbers[f"{way}_distance"], numbers[f"{way}_top1"]
        rows.append(f"| {words} | {energy:.2f} | {sharpness:.1f} | {score:.1f} | {distance:.3f} | {top1:.0%} |")
    return "\n".join(rows)


def write_refiner_model_card(config: Config, data: Path, target: Path, numbers: dict[str, Any]) -> None:
    """Write `target/README.md` and `target/checkpoint.json`."""
    weights = (target / "unet" / "openvino_model.bin").stat().st_size / 2
    facts = {
        **training_facts(config, data, "refiner"),
        "unet_m": weights / 1e6,
        "times": config.refiner_times,
        "licence": DATA_AND_LICENCE,
        "table": table(numbers),
    }
    (target / "README.md").write_text(TEXT.format(**{**facts, **numbers}), encoding="utf-8")
    (target / "checkpoint.json").write_text(json.dumps(TITLE, indent=2) + "\n", encoding="utf-8")
