"""A soft mask's values are strengths: differential diffusion, against an independent torch loop."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import OutputOptions
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.engine.openvino.latent_blending import SoftMaskBlend
from sdxl_desktop.engine.openvino.stage_schedule import ScheduleRange, plan_schedule
from tests.engine.conftest import generate
from tests.typed import not_none

SIDE = 128
CONFIG = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "timestep_spacing": "leading",
    "steps_offset": 1,
}


def picture() -> Any:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    return np.stack([x * 2, y * 2, 255 - x * 2], axis=-1).astype(np.uint8)


def asked(request_for: Any, mask: Any, **options: Any) -> Any:
    request = request_for(size=Size(SIDE, SIDE), steps=6)
    edit = EditParameters(picture=Raster.from_pixels(picture()), mask=Raster.from_pixels(mask), strength=1.0, **options)
    return replace(request, edit=edit, output=OutputOptions(watermark=False, keep_latents="final"))


def test_a_full_mask_is_the_same_hard_or_soft(engine: Any, request_for: Any) -> None:
    full = np.full((SIDE, SIDE), 255, np.uint8)
    hard = generate(engine, asked(request_for, full)).picture
    soft = generate(engine, asked(request_for, full, soft=True)).picture
    assert np.array_equal(hard.pixels, soft.pixels)


def test_the_weaker_the_mask_the_less_changes(engine: Any, request_for: Any) -> None:
    mask = np.repeat(np.repeat(np.array([[40, 100, 170, 255]], np.uint8), SIDE, 0), SIDE // 4, 1)
    latents = not_none(generate(engine, asked(request_for, mask, soft=True)).picture.latents)
    untouched = np.zeros((SIDE, SIDE), np.uint8)
    untouched[:8, :8] = 1
    kept = not_none(generate(engine, asked(request_for, untouched, soft=True)).picture.latents)
    change = np.abs(latents.final - kept.final).mean(axis=(0, 1)).reshape(4, -1).mean(axis=1)
    assert (np.diff(change) > 0).all(), change


@pytest.mark.parametrize("scheduler", [SchedulerName.EULER, SchedulerName.DDIM, SchedulerName.DPMPP_2M])
def test_each_place_is_denoised_for_its_share_of_the_schedule(scheduler: SchedulerName) -> None:
    """The blend alone, on a denoiser that marks what it touches."""
    schedule = plan_schedule(scheduler, CONFIG, seed=1, steps=10, schedule_range=ScheduleRange(strength=1.0))
    shares = torch.linspace(0, 1, 11).view(1, 1, 1, 11)
    clean, noise = torch.zeros(1, 4, 1, 11), torch.randn(1, 4, 1, 11, generator=torch.Generator().manual_seed(1))
    blend = SoftMaskBlend(shares, clean, noise)
    touched = torch.zeros(11, dtype=torch.int64)
    schedule.scheduler.set_timesteps(10)
    latents = schedule.scheduler.add_noise(clean, noise, schedule.timesteps[:1])
    for call, timestep in enumerate(schedule.timesteps):
        latents = schedule.scheduler.step(torch.zeros_like(latents), timestep, latents).prev_sample
        marked = latents + 1000
        after = blend(marked, schedule, call, last=True)
        touched += (after > 500)[0, 0, 0].long()
        latents = torch.where(after > 500, after - 1000, after)
    assert touched[0] == 0
    assert touched[-1] == 10
    assert all(int(one) <= int(other) for one, other in pairwise(touched))
    assert all(abs(int(count) - share) <= 1 for share, count in enumerate(touched))
