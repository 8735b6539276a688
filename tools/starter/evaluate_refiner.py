"""Evaluates the exported refiner: whether pictures become sharper and nearer to the real ones."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from optimum.intel import OVStableDiffusionXLImg2ImgPipeline
from PIL import Image

from tools.starter import aesthetic, picture_metrics

from .config import Config
from .contact_sheet import GUIDANCE, PROMPTS, STEPS, make_contact_sheet
from .evaluate import Evaluator, asked_names, load_evaluator, share
from .grammar import article
from .train_refiner import DENOISING_END

SCORES = (2.0, 6.0, 9.0)
STRENGTH = 0.3
COUNT, SEED = 112, 3000
Pictures = Sequence[Image.Image]


def load_refiner(folder: Path) -> Any:
    pipeline = OVStableDiffusionXLImg2ImgPipeline.from_pretrained(folder, export=False, device="CPU")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(SEED + number) for number in range(count)]


def draw_all(base: Evaluator, refiner: Any, prompts: Sequence[str]) -> dict[str, list[Image.Image]]:
    """Return pictures of the base alone; its latents at 0.8 refined at each score; its pictures refined with strength
    0.3."""
    drawn: dict[str, list[Image.Image]] = {"base": []}
    for first in range(0, len(prompts), 16):
        part = list(prompts[first : first + 16])
        usual: dict[str, Any] = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE}
        alone = base.pipeline(part, generator=generators(len(part)), **usual).images
        handed = base.pipeline(
            part, generator=generators(len(part)), denoising_end=DENOISING_END, output_type="latent", **usual
        ).images
        drawn["base"] += alone
        for score in SCORES:
            told = {**usual, "aesthetic_score": score, "generator": generators(len(part))}
            ensemble = refiner(part, image=torch.as_tensor(np.asarray(handed)), denoising_start=DENOISING_END, **told)
            gone_over = refiner(part, image=alone, strength=STRENGTH, **told)
            drawn.setdefault(f"ensemble_{score:.0f}", []).extend(ensemble.images)
            drawn.setdefault(f"img2img_{score:.0f}", []).extend(gone_over.images)
    return drawn


def compare_all(drawn: Mapping[str, Pictures], known: Pictures, right: list[int]) -> dict[str, Any]:
    """Return for each variant: gradient energy, sharpness, measured score, feature distance and top-1."""
    numbers: dict[str, Any] = {}
    for way, pictures in drawn.items():
        numbers[f"{way}_energy"] = round(1000 * mean(map(picture_metrics.gradient_energy, pictures)), 3)
        numbers[f"{way}_sharpness"] = round(1000 * mean(map(picture_metrics.sharpness, pictures)), 2)
        numbers[f"{way}_score"] = round(mean(map(aesthetic.score, pictures)), 2)
        distances = [
            picture_metrics.feature_distance(one, known[name]) for one, name in zip(pictures, right, strict=True)
        ]
        numbers[f"{way}_distance"] = round(mean(distances), 4)
        numbers[f"{way}_top1"] = share([rank < 1 for rank in picture_metrics.ranks(pictures, known, right)])
    return numbers


def share_above(above: Pictures, below: Pictures, of: Callable[[Image.Image], float]) -> float:
    return share([of(one) > of(other) for one, other in zip(above, below, strict=True)])


def save_sheet(base: Evaluator, refiner: Any, sheet: Path) -> None:
    """Save rows of four: the base alone, then refined at score 2, 6 and 9."""
    drawn = draw_all(base, refiner, PROMPTS[:12])
    ways = ["base", *(f"ensemble_{score:.0f}" for score in SCORES)]
    pictures = [drawn[way][number] for number in range(12) for way in ways]
    captions = [
        text for prompt in PROMPTS[:12] for text in (prompt, *(f"refined, score {score:.0f}" for score in SCORES))
    ]
    make_contact_sheet(pictures, captions, columns=8).save(sheet)


def evaluate_refiner(config: Config, data: Path, target: Path, sheet: Path) -> dict[str, Any]:
    """Measure the folder `target` after the base in `starter`; write the numbers and a sheet, and return them."""
    base, refiner = load_evaluator(config, data, target.with_name("starter")), load_refiner(target)
    save_sheet(base, refiner, sheet)
    asked = asked_names(base, COUNT)
    drawn = draw_all(base, refiner, [article(base.names[number].word) for number in asked])
    numbers = compare_all(drawn, [base.reference(name) for name in base.names], asked)
    for way in ("ensemble", "img2img"):
        high, low = drawn[f"{way}_9"], drawn[f"{way}_2"]
        numbers[f"{way}_9_above_2"] = share_above(high, low, picture_metrics.gradient_energy)
        numbers[f"{way}_9_above_base"] = share_above(high, drawn["base"], picture_metrics.gradient_energy)
    real = [base.reference(base.names[number]) for number in asked]
    numbers["real_energy"] = round(1000 * mean(map(picture_metrics.gradient_energy, real)), 3)
    numbers["prompts"], numbers["names"] = len(asked), len(base.names)
    (data / "evaluation-refiner.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return numbers
