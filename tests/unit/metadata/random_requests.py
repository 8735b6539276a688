"""Random requests of every kind, equal for equal seeds."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference
from sdxl_desktop.core.edit import EditParameters, FitMode, PrefillMode
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride, PredictionType, TimestepSpacing
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.refine import RefinerMode, RefinerParameters
from sdxl_desktop.core.request import Execution, GenerationRequest, MicroConditioning, OutputOptions, Prompts, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.speed import SpeedPreset

WORDS = (
    "a", "red", "fox", "(snow:1.2)", "[fog]", "((light))", "AND", "BREAK", "\\(sic\\)", "<lora:x:1>", "[a:b:0.5]",
    "[x|y]",
    "Negative prompt: no", "Steps: 1, Sampler: x, Seed: 2", "♥", "雪の狐", "Füchslein", '"quoted"', "a\\b", "(",
    ")", "{a|b}",
    "\n", ",", "embedding:thing", "é" * 30, "💡", "&<>'",
)  # fmt: skip


def random_prompt(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=chance.choice((0, 1, 5, 30))))


def random_request(chance: random.Random) -> GenerationRequest:
    steps = chance.choice((1, 4, 30, 1000))
    return GenerationRequest(
        checkpoint=Path(chance.choice(("starter", "sd_xl_base_1.0", "Füchse, rot", "a; b"))),
        prompts=Prompts(
            prompt=random_prompt(chance),
            negative_prompt=random_prompt(chance),
            prompt_2=random_prompt(chance),
            negative_prompt_2=random_prompt(chance),
            clip_skip=chance.randrange(12),
        ),
        sampling=Sampling(
            size=_size(chance, 8),
            steps=steps,
            guidance_scale=round(chance.uniform(0, 50), 3),
            guidance_rescale=round(chance.random(), 2),
            scheduler=chance.choice(list(SchedulerName)),
            speed=chance.choice(list(SpeedPreset)),
            seed=chance.choice((0, 1, 2**32 - 1, chance.randrange(2**32))),
            count=chance.randrange(1, 65),
            timesteps=tuple(range(steps, 0, -1))[:steps] if steps < 31 and chance.random() < 0.3 else (),
            noise=NoiseScheduleOverride(
                prediction_type=chance.choice((None, *PredictionType)),
                zero_terminal_snr=chance.choice((None, True, False)),
                timestep_spacing=chance.choice((None, *TimestepSpacing)),
            ),
            variation_seed=chance.randrange(2**32),
            variation_strength=chance.choice((0.0, round(chance.random(), 2))),
        ),
        micro_conditioning=MicroConditioning(
            original_size=_maybe(chance, _size(chance)),
            target_size=_maybe(chance, _size(chance)),
            crop_top_left=_maybe(chance, Point(chance.randrange(500), chance.randrange(500))),
            negative_original_size=_maybe(chance, _size(chance)),
            negative_target_size=_maybe(chance, _size(chance)),
            negative_crop_top_left=_maybe(chance, Point(0, chance.randrange(500))),
            aesthetic_score=round(chance.uniform(0, 10), 2),
            negative_aesthetic_score=round(chance.uniform(0, 10), 2),
        ),
        edit=_maybe(chance, _edit(chance)),
        refine=_maybe(
            chance,
            RefinerParameters(
                checkpoint=Path("refiner"),
                way=chance.choice(list(RefinerMode)),
                handoff=round(chance.uniform(0.01, 0.99), 2),
                steps=chance.choice((None, 7)),
                strength=round(chance.uniform(0.01, 1), 2),
            ),
        ),
        additions=Additions(
            loras=tuple(LoraReference(Path(f"lora {n}.safetensors"), n - 1.5) for n in range(chance.randrange(3))),
            embeddings=tuple(EmbeddingReference(Path(f"e{n}.pt"), f"<e{n}>") for n in range(chance.randrange(3))),
            vae=_maybe(chance, Path("vae.safetensors")),
        ),
        output=OutputOptions(
            watermark=chance.random() < 0.5,
            declare_source=chance.random() < 0.5,
            keep_latents=chance.choice(("none", "final", "steps")),
        ),
        execution=Execution(
            device=chance.choice(("CPU", "GPU.1", "AUTO")),
            threads=chance.randrange(9),
            unet_device="NPU",
            precision="f32",
        ),
    )  # fmt: skip


def _size(chance: random.Random, multiple: int = 1) -> Size:
    return Size(multiple * chance.randrange(1, 1000), multiple * chance.randrange(1, 1000))


def _maybe(chance: random.Random, value: Any) -> Any:
    return value if chance.random() < 0.5 else None


def _edit(chance: random.Random) -> EditParameters:
    masked = chance.random() < 0.5
    return EditParameters(
        picture=Raster(Size(64, 48), "abc123", "fox.png"),
        mask=Raster(Size(64, 48), "def456") if masked else None,
        strength=round(chance.uniform(0.01, 1), 2),
        fit=chance.choice(list(FitMode)),
        mask_blur=round(chance.uniform(0, 256), 1),
        grow=chance.randrange(257),
        prefill=chance.choice(list(PrefillMode)),
        soft=chance.random() < 0.5,
        match_colour=chance.random() < 0.5,
        only_masked=chance.choice((None, 32)) if masked else None,
        keep_size=chance.random() < 0.5,
        origin=chance.choice(("", "AUTOMATIC1111 1.10.1; seed 5; a fox")),
    )
