"""The parts of a picture's settings, each usable without the others, and what is known of them here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.prompts import MicroConditioning, Prompts
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.sampling import Sampling
from sdxl_desktop.core.scalars import scalars


class SettingsPart(StrEnum):
    """A part of a picture's settings that can be used without the others."""

    PROMPT = "prompt"
    NEGATIVE_PROMPT = "negative-prompt"
    SEED = "seed"
    SIZE = "size"
    SAMPLING = "sampling"
    CHECKPOINT = "checkpoint"
    ADDITIONS = "additions"
    REFINER = "refiner"
    MICRO_CONDITIONING = "micro-conditioning"
    EDIT = "edit"

    @property
    def label(self) -> str:
        """The display name."""
        return _LABELS[self]


_LABELS = {
    SettingsPart.PROMPT: "Prompt",
    SettingsPart.NEGATIVE_PROMPT: "Negative prompt",
    SettingsPart.SEED: "Seed",
    SettingsPart.SIZE: "Size",
    SettingsPart.SAMPLING: "Sampler, steps, guidance",
    SettingsPart.CHECKPOINT: "Checkpoint",
    SettingsPart.ADDITIONS: "LoRAs, embeddings, VAE",
    SettingsPart.REFINER: "Refiner",
    SettingsPart.MICRO_CONDITIONING: "Micro-conditioning",
    SettingsPart.EDIT: "Change of a picture",
}


@dataclass(frozen=True, slots=True)
class MissingModel:
    """Something that the record names and that is not here; `name` is for a list, such as "the LoRA detail [7c6b…]"."""

    part: SettingsPart
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSettings:
    """The settings of a picture: `source` names the program that made it, `request` holds the values, those that the
    record lacks being the present ones; `is_own`: this program made it, and recorded every value.

    `values` are the recorded parts with their text. `unmatched` has no counterpart here; `again` says in a sentence
    what drawing with all of it would give.
    """

    source: str
    request: GenerationRequest
    seed: int
    is_own: bool = False
    checkpoint_id: str = ""
    values: dict[SettingsPart, str] = field(default_factory=dict)
    missing: tuple[MissingModel, ...] = ()
    unmatched: tuple[str, ...] = ()
    again: str = ""

    @property
    def parts(self) -> tuple[SettingsPart, ...]:
        """The parts that the record has, in order."""
        return tuple(self.values)

    def missing_of(self, parts: Collection[SettingsPart]) -> tuple[str, ...]:
        """Return the names of what is missing for `parts`."""
        return tuple(one.name for one in self.missing if one.part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a record is compared with: the present values, the `checkpoints`, `files` of LoRAs, embeddings and VAEs that
    can be used, the content id of a checkpoint's folder ("" if unknown), and where the next run happens."""

    prompts: Prompts = Prompts()
    sampling: Sampling = Sampling()
    checkpoint: Path = Path()
    checkpoints: Sequence[Checkpoint] = ()
    files: Sequence[Path] = ()
    content_of: Callable[[Path], str] = lambda folder: ""
    execution: Execution | None = None

    @property
    def refiners(self) -> tuple[Checkpoint, ...]:
        return tuple(one for one in self.checkpoints if one.kind is CheckpointKind.REFINER)


def described_parts(request: GenerationRequest, seed: int) -> dict[SettingsPart, str]:
    """Return each part of a request as one text."""
    sampling, prompts = request.sampling, request.prompts
    varied = f" · {sampling.variation_strength:g} of {sampling.variation_seed}" if sampling.variation_strength else ""
    values = {
        SettingsPart.PROMPT: " | ".join(text for text in (prompts.prompt, prompts.prompt_2) if text),
        SettingsPart.NEGATIVE_PROMPT: " | ".join(
            text for text in (prompts.negative_prompt, prompts.negative_prompt_2) if text
        ),
        SettingsPart.SEED: f"{seed}{varied}",
        SettingsPart.SIZE: f"{sampling.size.width} × {sampling.size.height}",
        SettingsPart.SAMPLING: " · ".join(_sampling_words(request)),
        SettingsPart.CHECKPOINT: request.checkpoint.name,
        SettingsPart.ADDITIONS: ", ".join(_addition_words(request.additions)) or "None",
        SettingsPart.REFINER: _refiner_words(request.refine),
        SettingsPart.MICRO_CONDITIONING: ", ".join(_conditioning_words(request.micro_conditioning)) or "As drawn",
    }
    if request.edit is not None:
        values[SettingsPart.EDIT] = f"Strength {request.edit.strength:g}"
    return values


_SHOWN_APART = frozenset({"steps", "guidance_scale", "count", "variation_strength"})


def _sampling_words(request: GenerationRequest) -> Iterator[str]:
    sampling = request.sampling
    yield sampling.scheduler.label
    yield f"{sampling.steps} steps"
    yield f"guidance {sampling.guidance_scale:g}"
    usual = Sampling()
    for name, declared in scalars(Sampling).items():
        value = getattr(sampling, name)
        if declared.row is not None and name not in _SHOWN_APART and value != getattr(usual, name):
            yield f"{declared.row.name.lower()} {value:g}"
    if request.prompts.clip_skip:
        yield f"clip skip {request.prompts.clip_skip}"
    if sampling.noise.description:
        yield sampling.noise.description


def _addition_words(additions: Additions) -> Iterator[str]:
    for lora in additions.loras:
        yield f"{lora.file.stem} × {lora.weight:g}"
    for embedding in additions.embeddings:
        yield embedding.token
    if additions.vae is not None:
        yield f"VAE {additions.vae.name}"


def _refiner_words(refine: RefinerParameters | None) -> str:
    if refine is None:
        return "None"
    return f"{refine.checkpoint.name}, {refine.way.label.lower()}, hand-off {refine.handoff:g}"


def _conditioning_words(conditioning: MicroConditioning) -> Iterator[str]:
    for name in ("original_size", "target_size", "crop_top_left", "negative_original_size", "negative_target_size"):
        value = getattr(conditioning, name)
        if value is not None:
            yield f"{name.replace('_', ' ')} {value}"
