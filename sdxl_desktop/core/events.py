"""What an engine tells while it works: frozen events, handled in one `match` with `assert_never`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from sdxl_desktop.core.errors import EngineError, SdxlDesktopError, where_the_log_is
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.out_of_memory import is_out_of_memory, out_of_memory_error
from sdxl_desktop.core.parts import Part

Pixels = npt.NDArray[np.uint8]
"""uint8 [H, W, 3], RGB."""


class Phase(StrEnum):
    """What the engine is busy with, in the order a run goes through them."""

    STARTING = "starting"
    LOADING = "loading"
    COMPILING = "compiling"
    ENCODING = "encoding"
    DENOISING = "denoising"
    DECODING = "decoding"

    @property
    def label(self) -> str:
        return _PHASE_LABELS[self]


_PHASE_LABELS = {
    Phase.STARTING: "Starting the engine",
    Phase.LOADING: "Loading the checkpoint",
    Phase.COMPILING: "Compiling for the device",
    Phase.ENCODING: "Encoding the prompt",
    Phase.DENOISING: "Denoising",
    Phase.DECODING: "Decoding the picture",
}

_PART_LABELS = {
    Part.TEXT_ENCODER: "text encoder",
    Part.TEXT_ENCODER_2: "second text encoder",
    Part.UNET: "UNet",
    "unet_shallow": "UNet",
    Part.VAE_ENCODER: "VAE encoder",
    Part.VAE_DECODER: "VAE decoder",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands. `step` of `total` within the phase (0 of 0 where a phase has no steps).

    `fraction` of the phase that is done in [0, 1], or None when nobody can know; `seconds_left` of the phase,
    estimated; `detail` names the part at work ("unet"); `picture` of `pictures` counts from 0.
    """

    phase: Phase
    step: int = 0
    total: int = 0
    fraction: float | None = None
    seconds_per_step: float | None = None
    seconds_left: float | None = None
    detail: str = ""
    picture: int = 0
    pictures: int = 1

    @property
    def description(self) -> str:
        """What goes on, in words: "Compiling the UNet (2 of 3)"."""
        part = _PART_LABELS.get(self.detail.replace(" ", "_"), "")
        if self.phase is Phase.COMPILING and part:
            return f"Compiling the {part}" + (f" ({self.step} of {self.total})" if self.total else "")
        if self.detail and self.phase in (Phase.LOADING, Phase.COMPILING):
            return f"{self.phase.label} ({part or self.detail})"
        return self.phase.label

    @property
    def description_has_step(self) -> bool:
        """Whether `words` hold `step` and `total` already."""
        return self.description.endswith(f" of {self.total})")


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """A small picture of what the current step would become: `pixels` uint8 [H/f, W/f, 3]."""

    pixels: Pixels
    step: int = 0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Picture:
    """A finished picture: `pixels` uint8 [H, W, 3], the seed that repeats it alone, notes worth showing, its latents
    where the request asked to keep them, and where a mask was filled what was `drawn` before it was blended in.
    `checkpoint_id` names the content of the checkpoint that drew it ("": not known)."""

    pixels: Pixels
    seed: int
    index: int = 0
    notes: tuple[str, ...] = ()
    latents: SavedLatents | None = None
    generated_pixels: Pixels | None = None
    checkpoint_id: str = ""


@dataclass(frozen=True, slots=True)
class PictureFinished:
    """One picture of the run is finished; more may follow."""

    picture: Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds that each phase took, summed over the run's pictures."""

    load: float = 0.0
    compile: float = 0.0
    encode: float = 0.0
    denoise: float = 0.0
    decode: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run is over and whole. `devices` maps each part ("unet") to the device that really ran it; `peak_bytes` is
    the most memory that the engine's process took meanwhile, 0 where nobody looked."""

    pictures: tuple[Picture, ...]
    timings: Timings = Timings()
    devices: Mapping[str, str] = field(default_factory=dict)
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RunCancelled:
    """The person stopped the run; the pictures that were already `Drawn` stay."""


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The run ended in an error that says what happened, why, and what to do next."""

    error: SdxlDesktopError

    @classmethod
    def unexpected(cls, problem: BaseException) -> RunFailed:
        """An error nobody foresaw, told as plainly as it can be."""
        if is_out_of_memory(problem):
            return cls(out_of_memory_error("the picture was drawn"))
        return cls(
            EngineError(
                "Drawing failed unexpectedly.",
                why=f"{type(problem).__name__}: {problem}".rstrip(": ") + ".",
                next_step=f"Your prompt and settings are kept; try again. {where_the_log_is()}",
            )
        )


EngineEvent = Progress | Preview | PictureFinished | RunFinished | RunCancelled | RunFailed
