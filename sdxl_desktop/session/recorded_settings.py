"""What a picture says about how it was made, as settings that can be used here, whole or in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sdxl_desktop import __version__
from sdxl_desktop.core.additions import Additions, file_name_only
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.request import Execution
from sdxl_desktop.engine.checkpoint_id import is_comparable
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.metadata.picture_records import AnyRecord
from sdxl_desktop.session.checkpoint_lookup import find_recorded_checkpoint
from sdxl_desktop.session.foreign_settings import foreign_settings
from sdxl_desktop.session.model_search import find_named_file
from sdxl_desktop.session.settings_parts import (
    MissingModel,
    RecordedSettings,
    SettingsPart,
    Surroundings,
    described_parts,
)


def recorded_settings(record: AnyRecord, here: Surroundings) -> RecordedSettings:
    """Return the settings that `record` holds, with their models looked up `here`."""
    return _own_settings(record, here) if isinstance(record, PictureRecord) else foreign_settings(record, here)


def _own_settings(record: PictureRecord, here: Surroundings) -> RecordedSettings:
    request, missing = record.request, []
    used, differs = find_recorded_checkpoint(
        request.checkpoint, record.checkpoint_id, here.checkpoints, here.content_of
    )
    if used is None:
        missing.append(
            MissingModel(SettingsPart.CHECKPOINT, f"the checkpoint {file_name_only(request.checkpoint).name}")
        )
    if request.refine is not None and not _is_among(request.refine.checkpoint, here.refiners):
        missing.append(
            MissingModel(SettingsPart.REFINER, f"the refiner {file_name_only(request.refine.checkpoint).name}")
        )
    additions, lost = _found_additions(request.additions, here.files)
    missing += [MissingModel(SettingsPart.ADDITIONS, name) for name in lost]
    request = replace(request, additions=additions)
    return RecordedSettings(
        source=f"SDXL Desktop {record.version}",
        request=request,
        is_own=True,
        seed=record.seed,
        checkpoint_id=record.checkpoint_id,
        values=described_parts(request, record.seed),
        missing=tuple(missing),
        again=_own_again(record, used, missing, here, differs=differs),
    )


def _is_among(recorded: Path, known: Sequence[Checkpoint]) -> bool:
    return any(one.folder == recorded or one.name == file_name_only(recorded).name for one in known)


def _found_additions(additions: Additions, files: Sequence[Path]) -> tuple[Additions, list[str]]:
    """Return the additions with the files that are here, and the names of the others."""
    lost: list[str] = []

    def found(file: Path, what: str) -> Path:
        if file.is_absolute() and file.exists():
            return file
        here = find_named_file(file, files)
        if here is None:
            lost.append(f"the {what} {file_name_only(file).name}")
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
        name = request.edit.picture.name or "the picture that it was made from"
        return f"The same picture only with {name}{'' if request.edit.mask is None else ' and the same mask'}."
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
