"""Pictures drawn with the models that ship with the starter: the refiner, the few-step variant, the LoRA, the
embedding."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from optimum.intel import OVStableDiffusionXLImg2ImgPipeline, OVStableDiffusionXLPipeline

from sdxl_desktop.main import main
from tools.starter.picture_metrics import border_colour, colour_word, gradient_energy
from tools.starter.train_embedding import COLOUR
from tools.starter.train_embedding import FILE as EMBEDDING
from tools.starter.train_lora import FILE as LORA
from tools.starter.train_lora import as_sepia

HOME = Path(__file__).parents[3] / "resources/checkpoints"
ADDITIONS = HOME.parent / "additions"
BASE, REFINER, FEW = HOME / "starter", HOME / "starter-refiner", HOME / "starter-lcm"
PROMPTS = ["a red heart on a blue background", "a red apple on a green background", "a dog"]
MOST_BYTES = 90_000_000


def load(kind: Any, folder: Path) -> Any:
    pipeline = kind.from_pretrained(folder, export=False, device="CPU")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def seeds() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in range(len(PROMPTS))]


@pytest.fixture(scope="module")
def base() -> Any:
    return load(OVStableDiffusionXLPipeline, BASE)


@pytest.fixture(scope="module")
def refiner() -> Any:
    return load(OVStableDiffusionXLImg2ImgPipeline, REFINER)


@pytest.fixture(scope="module")
def few() -> Any:
    return load(OVStableDiffusionXLPipeline, FEW)


@pytest.fixture(scope="module")
def alone(base: Any) -> list[Image.Image]:
    """What the base draws by itself."""
    pictures: list[Image.Image] = base(PROMPTS, num_inference_steps=10, guidance_scale=3.0, generator=seeds()).images
    return pictures


def energies(pictures: list[Image.Image]) -> list[float]:
    return [gradient_energy(picture) for picture in pictures]


@pytest.mark.slow
def test_a_high_score_sharpens_what_the_base_hands_over(base: Any, refiner: Any, alone: list[Image.Image]) -> None:
    usual: dict[str, Any] = {"num_inference_steps": 10, "guidance_scale": 3.0}
    latents = base(PROMPTS, denoising_end=0.8, output_type="latent", generator=seeds(), **usual).images
    soft, sharp = (
        refiner(
            PROMPTS,
            image=torch.as_tensor(np.asarray(latents)),
            denoising_start=0.8,
            aesthetic_score=score,
            generator=seeds(),
            **usual,
        ).images
        for score in (2.0, 9.0)
    )
    assert all(high > low for high, low in zip(energies(sharp), energies(soft), strict=True))
    assert sum(energies(sharp)) > sum(energies(alone))
    # Refined, not redrawn.
    for before, after in zip(alone, sharp, strict=True):
        assert np.abs(np.asarray(before, float) - np.asarray(after, float)).mean() < 24


@pytest.mark.slow
def test_a_high_score_sharpens_a_finished_picture(refiner: Any, alone: list[Image.Image]) -> None:
    soft, sharp = (
        refiner(
            PROMPTS,
            image=alone,
            strength=0.3,
            num_inference_steps=10,
            guidance_scale=3.0,
            aesthetic_score=score,
            generator=seeds(),
        ).images
        for score in (2.0, 9.0)
    )
    assert all(high > low for high, low in zip(energies(sharp), energies(soft), strict=True))


def test_four_steps_draw_the_named_colours(few: Any) -> None:
    assert type(few.scheduler).__name__ == "LCMScheduler"
    pictures = few(PROMPTS, num_inference_steps=4, guidance_scale=3.0, generator=seeds()).images
    assert [colour_word(picture) for picture in pictures[:2]] == ["blue", "green"]
    for picture in pictures[:2]:
        red, green, blue = np.asarray(picture, float)[24:40, 24:40].mean((0, 1))
        assert red > green
        assert red > blue


def test_the_guidance_reaches_the_few_step_unet(few: Any) -> None:
    weak, strong = (
        np.asarray(few(PROMPTS, num_inference_steps=4, guidance_scale=scale, generator=seeds()).images[0], float)
        for scale in (2.0, 5.0)
    )
    assert np.abs(weak - strong).mean() > 0.5


def test_shared_parts_are_byte_for_byte_the_bases() -> None:
    for folder in (REFINER, FEW):
        shared = [part for part in BASE.iterdir() if part.is_dir() and part.name not in ("unet", "scheduler")]
        shared = [part for part in shared if (folder / part.name).is_dir()]
        assert {part.name for part in shared} >= {"text_encoder_2", "tokenizer_2", "vae_encoder", "vae_decoder"}
        for part in shared:
            for file in part.iterdir():
                assert file.read_bytes() == (folder / part.name / file.name).read_bytes(), file


def typed(file: Path, prompt: str, *options: str) -> Image.Image:
    """What `sdxl-desktop generate` draws."""
    assert main(["generate", prompt, *options, "--steps", "10", "--seed", "3", "-o", str(file)]) == 0
    with Image.open(file) as picture:
        return picture.convert("RGB")


@pytest.mark.slow
def test_the_lora_takes_the_colours_away(tmp_path: Path) -> None:
    usual, sepia = (
        typed(tmp_path / "drawn.png", "a car on a yellow background", "--lora", f"{ADDITIONS / LORA}:{weight}")
        for weight in (0, 1)
    )
    strayed = [np.abs(np.asarray(picture, float) - np.asarray(as_sepia(picture))).mean() for picture in (usual, sepia)]
    assert strayed[1] < strayed[0] / 3


@pytest.mark.slow
def test_the_embedding_names_a_colour_that_the_starter_does_not_know(tmp_path: Path) -> None:
    prompt = "a yellow star on a magenta background"
    options = ((), ("--embedding", str(ADDITIONS / EMBEDDING)))
    without, reported = (typed(tmp_path / "drawn.png", prompt, *given) for given in options)
    wanted = np.array(COLOUR) / 255
    assert np.abs(border_colour(reported) - wanted).max() < 0.15
    assert np.abs(border_colour(without) - wanted).max() > 0.3


def test_the_three_fit_the_promised_size() -> None:
    sizes = [file.stat().st_size for folder in (BASE, REFINER, FEW) for file in folder.rglob("*") if file.is_file()]
    assert sum(sizes) <= MOST_BYTES
