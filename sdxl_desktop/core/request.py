"""What a person asks for: one frozen `GenerationRequest`, born valid, made of the parts the panels edit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

from sdxl_desktop.core.additions import Additions, named_only
from sdxl_desktop.core.checks import within
from sdxl_desktop.core.device import kind_of
from sdxl_desktop.core.edit import Edit
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.foreign_text import encodable
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.latents import Start
from sdxl_desktop.core.noise_schedule import NoiseOverride
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.refine import Refine
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.speed import Speed

Precision = Literal["auto", "f32", "f16", "bf16"]
OwnPrecision = Literal["", "auto", "f32", "f16", "bf16"]
"""Of one kind of device; "" for that of all."""

KeepLatents = Literal["none", "final", "steps"]

MAX_SEED = 2**32 - 1
MAX_SIDE = 8192
MAX_STEPS = 1000
MAX_COUNT = 64
MAX_TIMESTEP = 999
MAX_GUIDANCE = 50.0
MAX_CLIP_SKIP = 11
MAX_AESTHETIC_SCORE = 10.0
SIZE_MULTIPLE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The words. An empty `prompt_2` or `negative_prompt_2` means "the same as the first encoder's".

    `clip_skip` leaves out this many more of the text encoders' last layers than SDXL does.
    """

    prompt: str = ""
    negative_prompt: str = ""
    prompt_2: str = ""
    negative_prompt_2: str = ""
    clip_skip: int = 0

    def __post_init__(self) -> None:
        within("Clip skip", self.clip_skip, 0, MAX_CLIP_SKIP)
        for words in (self.prompt, self.negative_prompt, self.prompt_2, self.negative_prompt_2):
            if encodable(words) != words:
                raise RequestError(
                    "The prompt holds bytes that are no text.", next_step="Write it in UTF-8, or type it anew."
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the picture is drawn: size in pixels, steps, guidance, scheduler, seed and number of pictures.

    The n-th picture (from 0) has seed `seed + n`, wrapped at 2**32, and equals a single picture of that seed.
    Guidance rescale is φ of Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed"
    (arXiv 2305.08891, §3.4), in [0, 1].

    `variation_strength` in [0, 1] turns the initial noise from the seed's towards that of `variation_seed`, on the
    great circle between them. `timesteps`, falling and in [0, 999], stand in for the scheduler's own; `steps` is then
    their number. `speed` says what may be saved; records from before there was one read as exact. `noise` is what is
    known better than the checkpoint says it.
    """

    size: Size = Size(1024, 1024)
    steps: int = 30
    guidance_scale: float = 5.0
    guidance_rescale: float = 0.0
    scheduler: SchedulerName = SchedulerName.EULER
    seed: int = 0
    count: int = 1
    variation_seed: int = 0
    variation_strength: float = 0.0
    timesteps: tuple[int, ...] = ()
    speed: Speed = Speed.EXACT
    noise: NoiseOverride = NoiseOverride()

    def __post_init__(self) -> None:
        for name, side in (("width", self.size.width), ("height", self.size.height)):
            if side % SIZE_MULTIPLE:
                lower = max(SIZE_MULTIPLE, side // SIZE_MULTIPLE * SIZE_MULTIPLE)
                upper = (side // SIZE_MULTIPLE + 1) * SIZE_MULTIPLE
                nearest = f"{lower} or {upper}" if lower != upper else f"{upper}"
                raise RequestError(
                    f"The {name} {side} is not a multiple of {SIZE_MULTIPLE}.", next_step=f"Use {nearest}."
                )
        within("The width", self.size.width, SIZE_MULTIPLE, MAX_SIDE)
        within("The height", self.size.height, SIZE_MULTIPLE, MAX_SIDE)
        within("The number of steps", self.steps, 1, MAX_STEPS)
        within("The guidance scale", self.guidance_scale, 0.0, MAX_GUIDANCE)
        within("The guidance rescale", self.guidance_rescale, 0.0, 1.0)
        within("The seed", self.seed, 0, MAX_SEED)
        within("The number of pictures", self.count, 1, MAX_COUNT)
        within("The variation seed", self.variation_seed, 0, MAX_SEED)
        within("The variation strength", self.variation_strength, 0.0, 1.0)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroConditioning:
    """SDXL's size and crop conditioning, in pixels (Podell et al., arXiv 2307.01952, §2.2).

    `None` means the default: sizes are the picture's own size and the crop is (0, 0). The three negatives
    steer the unconditional half; as long as none of them is given that half is conditioned like the positive one,
    and as soon as one is given the others take their defaults (sizes: the positive's; crop: (0, 0)).

    The aesthetic scores, in [0, 10], condition refiners, which have them in the place of the target size. A refiner's
    unconditional half has the crop (0, 0) unless it is given one, as in diffusers.
    """

    original_size: Size | None = None
    crop_top_left: Point | None = None
    target_size: Size | None = None
    negative_original_size: Size | None = None
    negative_crop_top_left: Point | None = None
    negative_target_size: Size | None = None
    aesthetic_score: float = 6.0
    negative_aesthetic_score: float = 2.5

    def __post_init__(self) -> None:
        within("The aesthetic score", self.aesthetic_score, 0.0, MAX_AESTHETIC_SCORE)
        within("The negative aesthetic score", self.negative_aesthetic_score, 0.0, MAX_AESTHETIC_SCORE)

    def positive_ids(self, size: Size) -> tuple[Size, Point, Size]:
        """(original size, crop top left, target size) for a picture of `size`."""
        return self.original_size or size, self.crop_top_left or Point(0, 0), self.target_size or size

    def negative_ids(self, size: Size, *, refiner: bool = False) -> tuple[Size, Point, Size]:
        """The same three for the unconditional half."""
        original, crop, target = self.positive_ids(size)
        given = (self.negative_original_size, self.negative_crop_top_left, self.negative_target_size)
        if not any(value is not None for value in given):
            return original, Point(0, 0) if refiner else crop, target
        return (
            self.negative_original_size or original,
            self.negative_crop_top_left or Point(0, 0),
            self.negative_target_size or target,
        )


AUTOMATIC = "AUTO"
"""In the place of a device's name: the device that was measured to be the fastest for the part, else a GPU, else the
processor. Not OpenVINO's device of that name, which falls back without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where and how exactly it runs: OpenVINO device names, threads (0 = all), precision, live preview or not.

    `text_device`, `unet_device` and `vae_device` are for those parts alone; "" means `device`. `gpu_precision` and
    `npu_precision` are for devices of that kind; "" means `precision`. Threads and precision count on devices that have
    them. Records from before parts and kinds had their own read as one for all.
    """

    device: str = "CPU"
    text_device: str = ""
    unet_device: str = ""
    vae_device: str = ""
    threads: int = 0
    precision: Precision = "auto"
    gpu_precision: OwnPrecision = ""
    npu_precision: OwnPrecision = ""
    preview: bool = True

    def __post_init__(self) -> None:
        if not self.device.strip():
            raise RequestError("No device was named.", next_step="Choose one of the devices that `devices` lists.")
        within("The number of threads", self.threads, 0, 1024)
        for precision in (self.precision, self.gpu_precision or "auto", self.npu_precision or "auto"):
            if precision in get_args(Precision):
                continue
            raise RequestError(
                f"There is no precision called {precision!r}.",
                next_step="Choose one of: " + ", ".join(get_args(Precision)) + ".",
            )

    def device_for(self, part: str) -> str:
        """The device of a checkpoint's part, such as "text_encoder_2", "unet" or "vae_decoder"."""
        if part.startswith(Part.TEXT_ENCODER):
            return self.text_device or self.device
        if part.startswith(Part.UNET):
            return self.unet_device or self.device
        if part.startswith(Part.VAE):
            return self.vae_device or self.device
        return self.device

    def precision_on(self, device: str) -> Precision:
        """The precision that is asked of parts on `device`, such as "GPU.1"."""
        own = {"GPU": self.gpu_precision, "NPU": self.npu_precision}.get(kind_of(device), "")
        return own or self.precision

    @property
    def devices(self) -> tuple[str, ...]:
        """Every device that is named for a part, each once: text encoders', UNet's, VAE's."""
        return tuple(dict.fromkeys(self.device_for(part) for part in (Part.TEXT_ENCODER, Part.UNET, Part.VAE_DECODER)))


class Mode(StrEnum):
    """What a run does, implied by what it is given."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_IMAGE = "image-to-image"
    INPAINT = "inpaint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """`watermark`: mark the pixels, invisibly, as machine-made. `keep_latents`: hand the latents out with each picture:
    not at all, the end only, or every step (see `KeptLatents`)."""

    watermark: bool = True
    keep_latents: KeepLatents = "none"

    def __post_init__(self) -> None:
        if self.keep_latents not in get_args(KeepLatents):
            raise RequestError(
                f"Latents cannot be kept as {self.keep_latents!r}.",
                next_step="Choose one of: " + ", ".join(get_args(KeepLatents)) + ".",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One run of the engine: a checkpoint's folder and all that decides its pictures."""

    checkpoint: Path
    prompts: Prompts = Prompts()
    sampling: Sampling = Sampling()
    micro_conditioning: MicroConditioning = MicroConditioning()
    edit: Edit | None = None
    refine: Refine | None = None
    additions: Additions = Additions()
    start: Start | None = None
    output: Output = Output()
    execution: Execution = field(default_factory=Execution)

    def __post_init__(self) -> None:
        if self.start is not None and self.start.step is not None:
            self._check_replay(self.start)
        if self.start is not None and self.sampling.count != 1:
            raise RequestError("Kept latents make one picture, not several.", next_step="Ask for a single picture.")

    def _check_replay(self, start: Start) -> None:
        for what, kept, asked in (
            ("seed", start.latents.seed, self.sampling.seed),
            ("scheduler", start.latents.scheduler.label, self.sampling.scheduler.label),
            ("number of steps", start.latents.steps, self.sampling.steps),
            ("list of timesteps", _listed(start.latents.timesteps), _listed(self.sampling.timesteps)),
            ("noise schedule", _in_words(start.latents.noise), _in_words(self.sampling.noise)),
        ):
            if kept is not None and kept != asked:
                raise RequestError(
                    f"The {what} is {asked}, but the kept latents were made with {kept}.",
                    next_step=f"To go on from a step, leave the {what} at {kept}.",
                )

    @property
    def mode(self) -> Mode:
        if self.edit is None:
            return Mode.TEXT_TO_IMAGE
        return Mode.IMAGE_TO_IMAGE if self.edit.mask is None else Mode.INPAINT

    def without_pixels(self) -> GenerationRequest:
        """The same without pixels and latents."""
        edit = self.edit
        if edit is not None:
            mask = None if edit.mask is None else edit.mask.recorded()
            edit = replace(edit, picture=edit.picture.recorded(), mask=mask)
        return replace(self, edit=edit, start=None)

    def recorded(self) -> GenerationRequest:
        """The same without pixels and latents, and with the names of files and folders in the place of their paths:
        what a picture's record holds. A path tells where a person keeps things, and means nothing elsewhere."""
        refine = self.refine
        if refine is not None:
            refine = replace(refine, checkpoint=named_only(refine.checkpoint))
        return replace(
            self.without_pixels(),
            checkpoint=named_only(self.checkpoint),
            refine=refine,
            additions=self.additions.recorded(),
        )


def _listed(timesteps: tuple[int, ...] | None) -> str | None:
    return None if timesteps is None else ", ".join(map(str, timesteps)) or "the scheduler's"


def _in_words(noise: NoiseOverride | None) -> str | None:
    return None if noise is None else noise.words or "the checkpoint's"
