"""Engine events: frozen classes, handled in one `match` with `assert_never`."""

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
from sdxl_desktop.core.paused_run import PausedRun

Pixels = npt.NDArray[np.uint8]
"""uint8 [H, W, 3], RGB."""


class Phase(StrEnum):
    """The phases of a run, in order."""

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
    """The progress of a run: `step` of `total` within the phase (0 of 0 for a phase without steps).

    `fraction` is the completed share of the phase in [0, 1], or None if unknown; `seconds_left` is estimated for the
    phase; `detail` names the current part ("unet"); `picture` of `pictures` counts from 0.
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
        """Return a description such as "Compiling the UNet (2 of 3)"."""
        part = _PART_LABELS.get(self.detail.replace(" ", "_"), "")
        if self.phase is Phase.COMPILING and part:
            return f"Compiling the {part}" + (f" ({self.step} of {self.total})" if self.total else "")
        if self.detail and self.phase in (Phase.LOADING, Phase.COMPILING):
            return f"{self.phase.label} ({part or self.detail})"
        return self.phase.label

    @property
    def description_has_step(self) -> bool:
        """Whether `description` already contains `step` and `total`."""
        return self.description.endswith(f" of {self.total})")


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """A small preview of the current step's predicted result: `pixels` uint8 [H/f, W/f, 3]."""

    pixels: Pixels
    step: int = 0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Picture:
    """A finished picture: `pixels` uint8 [H, W, 3], the seed that reproduces it alone, notes for the user, its latents
    if the request asked for them, and, with a mask, `generated_pixels` before blending. `checkpoint_id` is the content
    ID of its checkpoint ("": unknown)."""

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
    """Seconds per phase, summed over the run's pictures."""

    load: float = 0.0
    compile: float = 0.0
    encode: float = 0.0
    denoise: float = 0.0
    decode: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run finished successfully. `devices` maps each part ("unet") to the device that ran it; `peak_bytes` is the
    peak memory of the engine's process during the run, 0 if not measured."""

    pictures: tuple[Picture, ...]
    timings: Timings = Timings()
    devices: Mapping[str, str] = field(default_factory=dict)
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RunPaused:
    """The run stopped between two steps because the user paused it; `paused` continues it with the same request."""

    paused: PausedRun


@dataclass(frozen=True, slots=True)
class RunCancelled:
    """The user cancelled the run; pictures that are already finished stay."""


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The run failed with an error that states what happened, why, and what to do next."""

    error: SdxlDesktopError

    @classmethod
    def unexpected(cls, problem: BaseException) -> RunFailed:
        """Wrap an unexpected error."""
        if is_out_of_memory(problem):
            return cls(out_of_memory_error("the picture was drawn"))
        return cls(
            EngineError(
                "Drawing failed unexpectedly.",
                why=f"{type(problem).__name__}: {problem}".rstrip(": ") + ".",
                next_step=f"Your prompt and settings are kept; try again. {where_the_log_is()}",
            )
        )


EngineEvent = Progress | Preview | PictureFinished | RunFinished | RunPaused | RunCancelled | RunFailed
