"""What a picture says about how it was made, as settings that can be used here, whole or in parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from sdxl_desktop import __version__
from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride
from sdxl_desktop.core.prompts import MicroConditioning, Prompts
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.sampling import Sampling
from sdxl_desktop.engine.checkpoint_id import is_comparable
from sdxl_desktop.metadata.foreign.record import ForeignRecord, ModelReference
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.session.checkpoint_lookup import find_recorded_checkpoint
from sdxl_desktop.session.model_search import find_addition, find_checkpoint, find_named_file

AnyRecord = PictureRecord | ForeignRecord


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
    record lacks being the present ones. `values` are the recorded parts with their text. `unmatched` has no counterpart
    here; `again` says in a sentence what drawing with all of it would give."""

    source: str
    request: GenerationRequest
    seed: int
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


def recorded_settings(record: AnyRecord, here: Surroundings) -> RecordedSettings:
    """Return the settings that `record` holds, with their models looked up `here`."""
    return _own_settings(record, here) if isinstance(record, PictureRecord) else _foreign_settings(record, here)


# our own record


def _own_settings(record: PictureRecord, here: Surroundings) -> RecordedSettings:
    request, missing = record.request, []
    used, differs = find_recorded_checkpoint(
        request.checkpoint, record.checkpoint_id, here.checkpoints, here.content_of
    )
    if used is None:
        missing.append(MissingModel(SettingsPart.CHECKPOINT, f"the checkpoint {request.checkpoint.name}"))
    if request.refine is not None and not any(one.name == request.refine.checkpoint.name for one in here.refiners):
        missing.append(MissingModel(SettingsPart.REFINER, f"the refiner {request.refine.checkpoint.name}"))
    additions, lost = _found_additions(request.additions, here.files)
    missing += [MissingModel(SettingsPart.ADDITIONS, name) for name in lost]
    request = replace(request, additions=additions)
    return RecordedSettings(
        source=f"SDXL Desktop {record.version}",
        request=request,
        seed=record.seed,
        checkpoint_id=record.checkpoint_id,
        values=_described(request, record.seed),
        missing=tuple(missing),
        again=_own_again(record, used, missing, here, differs=differs),
    )


def _found_additions(additions: Additions, files: Sequence[Path]) -> tuple[Additions, list[str]]:
    """Return the additions with the files that are here, and the names of the others."""
    lost: list[str] = []

    def found(file: Path, what: str) -> Path:
        if file.is_absolute() and file.exists():
            return file
        here = find_named_file(file, files)
        if here is None:
            lost.append(f"the {what} {file.name}")
        return here or file

    located = Additions(
        loras=tuple(replace(use, file=found(use.file, "LoRA")) for use in additions.loras),
        embeddings=tuple(replace(use, file=found(use.file, "embedding")) for use in additions.embeddings),
        vae=None if additions.vae is None else found(additions.vae, "VAE"),
    )
    return located, lost


def _own_again(
    record: PictureRecord,
    used: Checkpoint | None,
    missing: Sequence[MissingModel],
    here: Surroundings,
    *,
    differs: bool,
) -> str:
    request = record.request
    if missing:
        return f"Not the same picture: {missing[0].name} is not here."
    if differs and used is not None:
        return f"Not the same picture: {used.title} has other weights than those that drew it."
    if request.edit is not None:
        mask = "" if request.edit.mask is None else " and the same mask"
        return (
            f"The same picture only if {request.edit.picture.name or 'the picture it was made from'}{mask} is opened."
        )
    if record.version != __version__:
        return f"The same picture, unless drawing has changed since version {record.version}."
    if here.execution is not None and _places(here.execution) != _places(request.execution):
        return "Nearly the same picture: it was drawn on another device, or with another precision."
    content = "" if used is None else here.content_of(used.folder)
    if not is_comparable(content, record.checkpoint_id):
        return "The same picture, if the checkpoint still has the weights that drew it."
    return "The same picture."


def _places(execution: Execution) -> tuple[object, ...]:
    return tuple((device, execution.precision_on(device)) for device in execution.devices)


# another program's record


def _foreign_settings(record: ForeignRecord, here: Surroundings) -> RecordedSettings:
    missing: list[MissingModel] = []
    checkpoint = _foreign_checkpoint(record, here, missing)
    request = GenerationRequest(
        checkpoint=checkpoint,
        prompts=Prompts(
            prompt=here.prompts.prompt if record.prompt is None else record.prompt,
            negative_prompt=here.prompts.negative_prompt if record.negative_prompt is None else record.negative_prompt,
            prompt_2=record.prompt_2 or "",
            negative_prompt_2=record.negative_prompt_2 or "",
            clip_skip=record.clip_skip or 0,
        ),
        sampling=_foreign_sampling(record, here.sampling),
        micro_conditioning=_foreign_conditioning(record),
        refine=_foreign_refiner(record, here, missing),
        additions=_foreign_additions(record, here, missing),
        edit=None if record.strength is None else _edit(record.strength),
    )
    described = _described(request, request.sampling.seed)
    has = _recorded_parts(record)
    return RecordedSettings(
        source=record.title,
        request=request,
        seed=request.sampling.seed,
        values={part: text for part, text in described.items() if part in has},
        missing=tuple(missing),
        unmatched=record.unmatched,
        again=_foreign_again(record, missing),
    )


def _recorded_parts(record: ForeignRecord) -> set[SettingsPart]:
    sampling = (record.steps, record.guidance_scale, record.scheduler, record.clip_skip, record.guidance_rescale)
    conditioning = (record.original_size, record.target_size, record.crop_top_left, record.negative_original_size)
    given = {
        SettingsPart.PROMPT: record.prompt is not None,
        SettingsPart.NEGATIVE_PROMPT: record.negative_prompt is not None,
        SettingsPart.SEED: record.seed is not None,
        SettingsPart.SIZE: record.size is not None,
        SettingsPart.SAMPLING: any(value is not None for value in sampling),
        SettingsPart.CHECKPOINT: record.checkpoint is not None,
        SettingsPart.ADDITIONS: bool(record.loras or record.embeddings or record.vae) or record.prompt is not None,
        SettingsPart.REFINER: record.refiner is not None or record.prompt is not None,
        SettingsPart.MICRO_CONDITIONING: any(value is not None for value in conditioning),
        SettingsPart.EDIT: record.strength is not None,
    }
    return {part for part, is_given in given.items() if is_given}


def _foreign_checkpoint(record: ForeignRecord, here: Surroundings, missing: list[MissingModel]) -> Path:
    if record.checkpoint is None:
        return here.checkpoint
    others = (one for one in here.checkpoints if one.kind is not CheckpointKind.REFINER)
    found = find_checkpoint(record.checkpoint, others)
    if found is not None:
        return found.folder
    missing.append(MissingModel(SettingsPart.CHECKPOINT, f"the checkpoint {record.checkpoint}"))
    return Path(record.checkpoint.name or "?")


def _foreign_sampling(record: ForeignRecord, present: Sampling) -> Sampling:
    recorded = {
        "size": record.size,
        "steps": record.steps,
        "guidance_scale": record.guidance_scale,
        "guidance_rescale": record.guidance_rescale,
        "scheduler": record.scheduler,
        "seed": record.seed,
        "variation_seed": record.variation_seed,
    }
    return replace(
        present,
        timesteps=(),
        count=1,
        noise=NoiseScheduleOverride(zero_terminal_snr=record.zero_terminal_snr),
        variation_strength=record.variation_strength or 0.0,
        **{name: value for name, value in recorded.items() if value is not None},
    )


def _foreign_conditioning(record: ForeignRecord) -> MicroConditioning:
    usual = MicroConditioning()
    return MicroConditioning(
        original_size=record.original_size,
        target_size=record.target_size,
        crop_top_left=record.crop_top_left,
        negative_original_size=record.negative_original_size,
        negative_target_size=record.negative_target_size,
        aesthetic_score=usual.aesthetic_score if record.aesthetic_score is None else record.aesthetic_score,
        negative_aesthetic_score=usual.negative_aesthetic_score
        if record.negative_aesthetic_score is None
        else record.negative_aesthetic_score,
    )


def _foreign_refiner(
    record: ForeignRecord, here: Surroundings, missing: list[MissingModel]
) -> RefinerParameters | None:
    if record.refiner is None:
        return None
    found = find_checkpoint(record.refiner.model, here.refiners)
    if found is None:
        missing.append(MissingModel(SettingsPart.REFINER, f"the refiner {record.refiner.model}"))
    handoff = record.refiner.handoff
    return RefinerParameters(
        checkpoint=Path(record.refiner.model.name or "?") if found is None else found.folder,
        steps=record.refiner.steps,
        **({} if handoff is None else {"handoff": handoff}),
    )


def _foreign_additions(record: ForeignRecord, here: Surroundings, missing: list[MissingModel]) -> Additions:
    def found(wanted: ModelReference, what: str) -> Path:
        file = find_addition(wanted, here.files)
        if file is None:
            missing.append(MissingModel(SettingsPart.ADDITIONS, f"the {what} {wanted}"))
        return file or Path(f"{wanted.name or '?'}.safetensors")

    embeddings: dict[str, EmbeddingReference] = {}
    for wanted in record.embeddings:
        token = "-".join(wanted.name.split())
        if token:
            embeddings.setdefault(token, EmbeddingReference(found(wanted, "embedding"), token))
    return Additions(
        loras=tuple(LoraReference(found(use.model, "LoRA"), use.weight) for use in record.loras),
        embeddings=tuple(embeddings.values()),
        vae=None if record.vae is None else found(record.vae, "VAE"),
    )


def _edit(strength: float) -> EditParameters:
    return EditParameters(picture=Raster(Size(1, 1), ""), strength=strength)


def _foreign_again(record: ForeignRecord, missing: Sequence[MissingModel]) -> str:
    lost = f", and {missing[0].name} is not here" if missing else ""
    return f"A similar picture at best: {record.program} makes its noise in another way{lost}."


# texts


def _described(request: GenerationRequest, seed: int) -> dict[SettingsPart, str]:
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


def _sampling_words(request: GenerationRequest) -> Iterator[str]:
    sampling = request.sampling
    yield sampling.scheduler.label
    yield f"{sampling.steps} steps"
    yield f"guidance {sampling.guidance_scale:g}"
    if sampling.guidance_rescale:
        yield f"rescale {sampling.guidance_rescale:g}"
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


__all__ = [
    "AnyRecord",
    "MissingModel",
    "RecordedSettings",
    "RequestError",
    "SettingsPart",
    "Surroundings",
    "recorded_settings",
]
