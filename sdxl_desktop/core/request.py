"""What a person asks for: one frozen `GenerationRequest`, born valid, made of the parts the panels edit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.schedulers import SchedulerName

Precision = Literal["auto", "f32", "f16", "bf16"]

MAX_SEED = 2**32 - 1
MAX_SIDE = 8192
MAX_STEPS = 1000
MAX_COUNT = 64
MAX_GUIDANCE = 50.0
SIZE_MULTIPLE = 8


def _within(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise RequestError(f"{what} is {value:g}.", next_step=f"It must lie between {low:g} and {high:g}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The words. An empty `prompt_2` or `negative_prompt_2` means "the same as the first encoder's"."""

    prompt: str = ""
    negative_prompt: str = ""
    prompt_2: str = ""
    negative_prompt_2: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the picture is drawn: size in pixels, steps, guidance, scheduler, seed and number of pictures.

    The n-th picture (from 0) has seed `seed + n`, wrapped at 2**32, and equals a single picture of that seed.
    Guidance rescale is φ of Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed"
    (arXiv 2305.08891, §3.4), in [0, 1].
    """

    size: Size = Size(1024, 1024)
    steps: int = 30
    guidance_scale: float = 5.0
    guidance_rescale: float = 0.0
    scheduler: SchedulerName = SchedulerName.EULER
    seed: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        for name, side in (("width", self.size.width), ("height", self.size.height)):
            if side % SIZE_MULTIPLE:
                lower = max(SIZE_MULTIPLE, side // SIZE_MULTIPLE * SIZE_MULTIPLE)
                upper = (side // SIZE_MULTIPLE + 1) * SIZE_MULTIPLE
                nearest = f"{lower} or {upper}" if lower != upper else f"{upper}"
                raise RequestError(
                    f"The {name} {side} is not a multiple of {SIZE_MULTIPLE}.", next_step=f"Use {nearest}."
                )
        _within("The width", self.size.width, SIZE_MULTIPLE, MAX_SIDE)
        _within("The height", self.size.height, SIZE_MULTIPLE, MAX_SIDE)
        _within("The number of steps", self.steps, 1, MAX_STEPS)
        _within("The guidance scale", self.guidance_scale, 0.0, MAX_GUIDANCE)
        _within("The guidance rescale", self.guidance_rescale, 0.0, 1.0)
        _within("The seed", self.seed, 0, MAX_SEED)
        _within("The number of pictures", self.count, 1, MAX_COUNT)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each picture, in order."""
        return tuple((self.seed + n) % (MAX_SEED + 1) for n in range(self.count))


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroConditioning:
    """SDXL's size and crop conditioning, in pixels (Podell et al., arXiv 2307.01952, §2.2).

    `None` means the default: sizes are the picture's own size and the crop is (0, 0). The three negatives
    steer the unconditional half; as long as none of them is given that half is conditioned like the positive one,
    and as soon as one is given the others take their defaults (sizes: the positive's; crop: (0, 0)).
    """

    original_size: Size | None = None
    crop_top_left: Point | None = None
    target_size: Size | None = None
    negative_original_size: Size | None = None
    negative_crop_top_left: Point | None = None
    negative_target_size: Size | None = None

    def positive_ids(self, size: Size) -> tuple[Size, Point, Size]:
        """(original size, crop top left, target size) for a picture of `size`."""
        return self.original_size or size, self.crop_top_left or Point(0, 0), self.target_size or size

    def negative_ids(self, size: Size) -> tuple[Size, Point, Size]:
        """The same three for the unconditional half."""
        original, crop, target = self.positive_ids(size)
        given = (self.negative_original_size, self.negative_crop_top_left, self.negative_target_size)
        if not any(value is not None for value in given):
            return original, crop, target
        return (
            self.negative_original_size or original,
            self.negative_crop_top_left or Point(0, 0),
            self.negative_target_size or target,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where and how exactly it runs: an OpenVINO device name, threads (0 = all), precision, live preview or not."""

    device: str = "CPU"
    threads: int = 0
    precision: Precision = "auto"
    preview: bool = True

    def __post_init__(self) -> None:
        if not self.device.strip():
            raise RequestError("No device was named.", next_step="Choose one of the devices that `devices` lists.")
        _within("The number of threads", self.threads, 0, 1024)
        if self.precision not in get_args(Precision):
            raise RequestError(
                f"There is no precision called {self.precision!r}.",
                next_step="Choose one of: " + ", ".join(get_args(Precision)) + ".",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One run of the engine: a checkpoint's folder and all that decides its pictures."""

    checkpoint: Path
    prompts: Prompts = Prompts()
    sampling: Sampling = Sampling()
    micro_conditioning: MicroConditioning = MicroConditioning()
    execution: Execution = field(default_factory=Execution)
