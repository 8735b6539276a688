"""The arithmetic of the stages: the forward process, the aesthetic score, the refiner's start, the distillation."""

import random
import warnings
from dataclasses import replace

import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffusers import DDIMScheduler, LCMScheduler, StableDiffusionXLPipeline

    from tools.starter import aesthetic, diffusion
    from tools.starter.distill import consistency, guidance_embedding, make_student
    from tools.starter.parts import SCHEDULE, make_few_step_scheduler, make_refiner_unet, make_scheduler, make_unet
    from tools.starter.train_refiner import copy_base_weights

from tools.starter.config import CPU, change

from .toy import TOY


def scene() -> Image.Image:
    picture = Image.new("RGB", (64, 64), (30, 90, 200))
    ImageDraw.Draw(picture).ellipse((14, 14, 50, 50), fill=(230, 40, 40))
    return picture


def grainy(picture: Image.Image) -> Image.Image:
    grain = Image.effect_noise(picture.size, 24).convert("RGB")
    return Image.blend(picture, grain, 0.25)


def test_the_score_falls_with_blur_paleness_and_grain() -> None:
    picture = scene()
    best = aesthetic.score(picture)
    softly, strongly = (aesthetic.score(picture.filter(ImageFilter.GaussianBlur(by))) for by in (0.7, 2.0))
    pale = aesthetic.score(Image.blend(picture, Image.new("RGB", picture.size, "grey"), 0.7))
    assert 10 >= best > softly > strongly >= 1
    assert best > pale
    assert best > aesthetic.score(grainy(picture))


def test_a_degraded_picture_mostly_scores_lower() -> None:
    picture = scene()
    worse = [
        aesthetic.score(aesthetic.degrade(picture, random.Random(n))) < aesthetic.score(picture) for n in range(40)
    ]
    assert sum(worse) > 30


def test_a_velocity_is_split_into_what_it_was_made_of() -> None:
    latents, noise = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    alpha = make_scheduler().alphas_cumprod[torch.tensor([5, 400, 990])]
    noisy, velocity = diffusion.noised(latents, noise, alpha), diffusion.velocity_of(latents, noise, alpha)
    for found, known in zip(diffusion.split_velocity(noisy, velocity, alpha), (latents, noise), strict=True):
        torch.testing.assert_close(found, known, rtol=1e-4, atol=1e-4)


def test_spans_cover_all_times_and_prefer_late_ones() -> None:
    spans = diffusion.draw_spans(200, 0.65, torch.device("cpu"))
    assert 0 <= float(spans.min()) < 0.05 < 0.98 < float(spans.max()) < 1
    assert float((spans > 0.5).float().mean()) > 0.6


def test_the_refiner_begins_as_the_base_without_the_first_encoder() -> None:
    base, refiner = make_unet(TOY), make_refiner_unet(TOY)
    copy_base_weights(base, refiner)
    context, ids = torch.randn(2, 77, TOY.text_hidden[1]), torch.tensor([[64.0, 64, 0, 8]] * 2)
    pooled = torch.randn(2, TOY.text_hidden[1])
    width = TOY.time_ids_dim
    with torch.no_grad():
        # The base gets a target size where the refiner has its score, which is untrained yet.
        base.add_embedding.linear_1.weight[:, -2 * width :] = 0
        noisy, time = torch.randn(2, 4, 8, 8), torch.tensor([10, 150])
        wide = torch.cat([torch.zeros(2, 77, TOY.text_hidden[0]), context], dim=-1)
        six = torch.cat([ids, torch.full((2, 2), 32.0)], dim=1)
        five = torch.cat([ids, torch.full((2, 1), 9.0)], dim=1)
        known = base(noisy, time, wide, added_cond_kwargs={"text_embeds": pooled, "time_ids": six}).sample
        found = refiner(noisy, time, context, added_cond_kwargs={"text_embeds": pooled, "time_ids": five}).sample
    torch.testing.assert_close(found, known, rtol=1e-4, atol=1e-5)


def test_the_student_starts_as_the_teacher_whatever_the_guidance() -> None:
    teacher = make_unet(TOY)
    student = make_student(TOY, teacher)
    added = {"text_embeds": torch.randn(2, TOY.text_hidden[1]), "time_ids": torch.full((2, 6), 32.0)}
    inputs = torch.randn(2, 4, 8, 8), torch.tensor([19, 999]), torch.randn(2, 77, sum(TOY.text_hidden))
    reported = guidance_embedding(torch.tensor([2.0, 5.0]), TOY.guidance_dim)
    with torch.no_grad():
        known = teacher(*inputs, added_cond_kwargs=added).sample
        found = student(*inputs, timestep_cond=reported, added_cond_kwargs=added).sample
    torch.testing.assert_close(found, known)


def test_the_guidance_is_embedded_as_in_the_pipeline() -> None:
    guidance = torch.tensor([1.5, 3.0, 5.0])
    known = StableDiffusionXLPipeline.get_guidance_scale_embedding(None, guidance - 1, embedding_dim=256)
    torch.testing.assert_close(guidance_embedding(guidance, 256), known, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("time", [19, 259, 999])
def test_the_consistency_function_is_the_schedulers(time: int) -> None:
    scheduler: LCMScheduler = make_few_step_scheduler(CPU)
    skip, out = scheduler.get_scalings_for_boundary_condition_discrete(time)
    noisy, latents = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(consistency(noisy, latents, torch.tensor([time])), skip * noisy + out * latents)


def test_at_time_zero_the_consistency_function_is_its_input() -> None:
    noisy = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(consistency(noisy, torch.randn(1, 4, 8, 8), torch.tensor([0])), noisy)


def test_four_steps_are_points_of_the_grid_that_was_distilled() -> None:
    scheduler = make_few_step_scheduler(CPU)
    scheduler.set_timesteps(4)
    stride = 1000 // CPU.distil_grid
    assert len(scheduler.timesteps) == 4
    assert all((int(time) + 1) % stride == 0 for time in scheduler.timesteps)


def test_a_solver_step_is_that_of_ddim() -> None:
    scheduler = DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=False)
    scheduler.num_inference_steps = 50
    noisy, velocity = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    alphas = make_scheduler().alphas_cumprod
    found = diffusion.noised(*diffusion.split_velocity(noisy, velocity, alphas[[519]]), alphas[[499]])
    known = scheduler.step(velocity, 519, noisy).prev_sample
    torch.testing.assert_close(found, known, rtol=1e-4, atol=1e-4)


def test_a_recipe_takes_numbers_by_name_and_nothing_else() -> None:
    assert change(CPU, ["threads=1", "lr=0.5"]) == replace(CPU, threads=1, lr=0.5)
    with pytest.raises(ValueError, match="no number of the recipe"):
        change(CPU, ["device=cuda"])
