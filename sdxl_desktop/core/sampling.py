"""Sampling settings: size, steps, guidance, scheduler, seeds, timesteps and speed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.scalars import ADVANCED, NumberRow, Option, check_limits, scalar
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.speed import SpeedPreset

MAX_SEED = 2**32 - 1
MAX_SIDE = 8192
MAX_STEPS = 1000
MAX_COUNT = 64
MAX_TIMESTEP = 999
MAX_GUIDANCE = 50.0
SIZE_MULTIPLE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """The sampling settings: size in pixels, steps, guidance, scheduler, seed and number of pictures.

    The n-th picture (from 0) has seed `seed + n`, wrapped at 2**32, and equals a single picture of that seed. Guidance
    rescale is φ of Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed" (arXiv 2305.08891, §3.4),
    in [0, 1].

    `variation_strength` in [0, 1] rotates the initial noise from the seed's towards that of `variation_seed`, by
    spherical interpolation. `timesteps`, descending and in [0, 999], replace the scheduler's own; `steps` is then their
    number. `speed` is the speed preset; older records without one are read as exact. `noise` overrides the checkpoint's
    noise schedule.
    """

    size: Size = scalar(Size(1024, 1024), option=Option("--size", "WxH", "Size in pixels."))
    steps: int = scalar(
        30,
        "The number of steps",
        (1, MAX_STEPS),
        row=NumberRow(
            "&Steps",
            "Steps",
            "How many times the noise is refined. More steps take longer and help less and less after about 30.",
            60,
        ),
        option=Option("--steps", "N", "Denoising steps.", "whole"),
    )
    guidance_scale: float = scalar(
        5.0,
        "The guidance scale",
        (0.0, MAX_GUIDANCE),
        row=NumberRow(
            "&Guidance",
            "Guidance scale",
            "How strictly the picture follows the prompt. Low values are freer and softer; high values are literal and "
            "harsh. At 1 or below the negative prompt has no effect, and each step takes half the time.",
            15,
            step=0.1,
            decimals=1,
        ),
        option=Option("--guidance", "G", "How closely to follow the prompt; 1 or less: no guidance.", "real"),
    )
    guidance_rescale: float = scalar(
        0.0,
        "The guidance rescale",
        (0.0, 1.0),
        row=NumberRow(
            "Resca&le",
            "Guidance rescale",
            "Tames the washed-out or overexposed look that high guidance causes. 0 turns it off; around 0.7 is common.",
            1,
            step=0.05,
            decimals=2,
        ),
        option=Option("--guidance-rescale", "R", "Tames overexposure of strong guidance, 0 to 1.", "real"),
    )
    scheduler: SchedulerName = scalar(
        SchedulerName.EULER,
        option=Option("--scheduler", "NAME", "One of " + ", ".join(name.value for name in SchedulerName) + "."),
    )
    speed: SpeedPreset = scalar(
        SpeedPreset.EXACT,
        option=Option("--speed", "exact|balanced|fast", "How many steps reuse deep layers. Default: balanced."),
    )
    seed: int = scalar(
        0,
        "The seed",
        (0, MAX_SEED),
        option=Option(
            "--seed", "N", "The same seed and request give the same picture. Default, and -1: random.", "seed"
        ),
    )
    count: int = scalar(
        1,
        "The number of pictures",
        (1, MAX_COUNT),
        row=NumberRow(
            "Pict&ures",
            "Number of pictures",
            "How many pictures to make, one after the other. Each has the next seed.",
            8,
        ),
        option=Option("--count", "N", "How many pictures, each with the next seed.", "whole", default=1),
    )
    timesteps: tuple[int, ...] = scalar(
        (), option=Option("--timesteps", "T,T,…", "Timesteps in the place of the scheduler's.", group=ADVANCED)
    )
    noise: NoiseScheduleOverride = NoiseScheduleOverride()
    variation_seed: int = scalar(
        0,
        "The variation seed",
        (0, MAX_SEED),
        option=Option("--variation-seed", "N", "Turn the noise towards this seed's; -1: random.", "seed", ADVANCED),
    )
    variation_strength: float = scalar(
        0.0,
        "The variation strength",
        (0.0, 1.0),
        row=NumberRow(
            "Strength",
            "Variation strength",
            "How far to go: 0 is the seed's own picture, 1 is the second seed's.",
            1,
            step=0.01,
            decimals=2,
        ),
        option=Option("--variation-strength", "V", "How far, 0 to 1.", "real", ADVANCED),
    )

    def __post_init__(self) -> None:
        for name, side in (("width", self.size.width), ("height", self.size.height)):
            if side % SIZE_MULTIPLE:
                lower = max(SIZE_MULTIPLE, side // SIZE_MULTIPLE * SIZE_MULTIPLE)
                upper = (side // SIZE_MULTIPLE + 1) * SIZE_MULTIPLE
                nearest = f"{lower} or {upper}" if lower != upper else f"{upper}"
                raise RequestError(
                    f"The {name} {side} is not a multiple of {SIZE_MULTIPLE}.", next_step=f"Use {nearest}."
                )
        check_range("The width", self.size.width, SIZE_MULTIPLE, MAX_SIDE)
        check_range("The height", self.size.height, SIZE_MULTIPLE, MAX_SIDE)
        check_limits(self)
        if self.timesteps:
            self._check_timesteps()

    def _check_timesteps(self) -> None:
        falling = all(one > other for one, other in pairwise(self.timesteps))
        if not falling or not all(0 <= timestep <= MAX_TIMESTEP for timestep in self.timesteps):
            raise RequestError(
                "The timesteps are not a falling row.",
                next_step=f"Give whole numbers from {MAX_TIMESTEP} down to 0, each smaller than the one before.",
            )
        if self.steps != len(self.timesteps):
            raise RequestError(
                f"There are {len(self.timesteps)} timesteps and {self.steps} steps.",
                next_step="Leave the number of steps to the timesteps.",
            )

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each picture, in order."""
        return tuple((self.seed + n) % (MAX_SEED + 1) for n in range(self.count))


def parse_timesteps(text: str) -> tuple[int, ...]:
    """Parse "999, 800, 600": a descending list in [0, 999], or nothing; raises RequestError for anything else."""
    try:
        timesteps = tuple(int(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise RequestError(
            f"{text!r} is not a row of timesteps.", next_step="Write whole numbers, for instance 999,749,499,249."
        ) from None
    return Sampling(steps=len(timesteps), timesteps=timesteps).timesteps if timesteps else ()
