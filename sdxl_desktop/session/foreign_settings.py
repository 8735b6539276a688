"""Settings of this program from what another one recorded: the present values where it recorded none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference
from sdxl_desktop.core.checkpoint import CheckpointKind
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride
from sdxl_desktop.core.prompts import MicroConditioning, Prompts
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.sampling import Sampling
from sdxl_desktop.metadata.foreign.record import ForeignRecord, ModelReference
from sdxl_desktop.session.model_search import find_addition, find_checkpoint
from sdxl_desktop.session.settings_parts import (
    MissingModel,
    RecordedSettings,
    SettingsPart,
    Surroundings,
    described_parts,
)


def foreign_settings(record: ForeignRecord, here: Surroundings) -> RecordedSettings:
    """Return the settings that `record` holds, with their models looked up `here`."""
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
    described = described_parts(request, request.sampling.seed)
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
    recorded: dict[str, Any] = {
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
    share: dict[str, Any] = {} if record.refiner.handoff is None else {"handoff": record.refiner.handoff}
    return RefinerParameters(
        checkpoint=Path(record.refiner.model.name or "?") if found is None else found.folder,
        steps=record.refiner.steps,
        **share,
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
