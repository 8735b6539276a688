"""Read checkpoint folders: recognise and describe OpenVINO SDXL parts, and give a reason for rejecting others."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind, RecommendedSettings
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.noise_schedule import NoiseSchedule
from sdxl_desktop.core.parts import ENCODERS, GRAPH, WEIGHTS, Part
from sdxl_desktop.core.paths import expand_path
from sdxl_desktop.core.request import MAX_GUIDANCE, MAX_SIDE, MAX_STEPS
from sdxl_desktop.core.schedulers import (
    FEW_STEP_SCHEDULERS,
    SchedulerName,
    nearest_scheduler,
    unavailable_scheduler,
    validated_config,
)
from sdxl_desktop.core.untrusted_files import (
    UntrustedFileError,
    is_folder,
    is_regular_file,
    path_exists,
    read_json_as,
    read_json_object,
)
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.library.known_checkpoints import (
    KnownCheckpoint,
    add_known_checkpoints,
    read_known_checkpoints,
    remove_known_checkpoint,
)

STARTER_CHECKPOINT = "starter"
TINY_VAE_FOLDER = "vae_tiny"
TINY_VAE_FILES = ("config.json", "diffusion_pytorch_model.safetensors")
_MAX_LEVELS = 10
_MAX_DESCRIPTION_LENGTH = 4000
_REQUIRED_PARTS = (*ENCODERS, Part.UNET, Part.VAE_DECODER)


class _CheckpointJson(msgspec.Struct, frozen=True):
    """checkpoint.json: optional metadata that the parts do not contain."""

    title: str = ""
    description: str = ""
    steps: Annotated[int, msgspec.Meta(ge=1, le=MAX_STEPS)] | None = None
    guidance_scale: Annotated[float, msgspec.Meta(ge=0, le=MAX_GUIDANCE)] | None = None
    scheduler: SchedulerName | None = None


def read_checkpoint(folder: Path, name: str = "") -> Checkpoint:
    """Describe the checkpoint in `folder`; raises CheckpointError with the reason if it cannot be run."""
    try:
        return _read_folder(folder, name or folder.name)
    except CheckpointError:
        raise
    except UntrustedFileError as problem:
        raise _invalid_config_error(folder, f"{problem}") from problem
    except Exception as problem:  # an error of any type that untrusted files cause concerns only this folder
        raise _invalid_config_error(folder, f"{type(problem).__name__}: {problem}") from problem


def _invalid_config_error(folder: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"The description of {display_text(folder.name, 80)} makes no sense.",
        why=f"{display_text(why).rstrip('.')}.",
        next_step="Export the checkpoint again.",
    )


def _read_folder(folder: Path, name: str) -> Checkpoint:
    if not is_folder(folder):
        raise CheckpointError(f"There is no checkpoint folder at {folder}.", next_step="Check the path.")
    index = _read_json(folder / "model_index.json")
    kind = display_text(str(index.get("_class_name", "")), 80)
    if "StableDiffusionXL" not in kind:
        raise CheckpointError(
            f"{display_text(folder.name, 80)} is not an SDXL checkpoint.",
            why=f"Its model_index.json says {kind or 'nothing of its kind'}.",
            next_step="Choose a folder with SDXL parts.",
        )
    refines = _is_refiner(index)
    needed = _REQUIRED_PARTS if not refines else tuple(part for part in _REQUIRED_PARTS if part != Part.TEXT_ENCODER)
    missing = [part for part in needed if not _has_part(folder, part)]
    if missing:
        raise CheckpointError(
            f"{display_text(folder.name, 80)} is not complete for drawing from words.",
            why=f"OpenVINO parts are missing: {', '.join(missing)}.",
            next_step="Choose a folder of OpenVINO SDXL parts, or copy the missing parts into it.",
        )
    unet = _read_json(folder / Part.UNET / "config.json")
    vae = _read_json(folder / Part.VAE_DECODER / "config.json")
    return _describe(folder, name, unet, vae, is_refiner=refines)


def _is_refiner(model_index: Mapping[str, Any]) -> bool:
    """Whether model_index.json declares that there is no first text encoder."""
    return "text_encoder" in model_index and model_index["text_encoder"] in (None, [None, None])


def _has_part(folder: Path, part: str) -> bool:
    return all(is_regular_file(folder / part / name) for name in (GRAPH, WEIGHTS))


def has_tiny_vae(folder: Path) -> bool:
    """Whether a checkpoint, in any form, includes a tiny VAE: diffusers' AutoencoderTiny in a subfolder."""
    return all(is_regular_file(folder / TINY_VAE_FOLDER / name) for name in TINY_VAE_FILES)


def _describe(
    folder: Path, name: str, unet: Mapping[str, Any], vae: Mapping[str, Any], *, is_refiner: bool
) -> Checkpoint:
    factor = 2 ** (_level_count(vae) - 1)
    multiple = max(8, factor * 2 ** (_level_count(unet) - 1))
    side = int(unet.get("sample_size") or 128) * factor
    if not 8 <= side <= MAX_SIDE:
        raise UntrustedFileError(f"pictures of {side} pixels cannot be drawn")
    card = _read_checkpoint_json(folder)
    own = validated_config(_read_json(folder / "scheduler" / "scheduler_config.json"))
    scheduler = card.scheduler or nearest_scheduler(own)
    distilled = unet.get("time_cond_proj_dim") is not None
    few_step = distilled or scheduler in FEW_STEP_SCHEDULERS
    kind = CheckpointKind.REFINER if is_refiner else CheckpointKind.BASE
    if int(unet.get("in_channels", 4)) > int(unet.get("out_channels", 4)):
        kind = CheckpointKind.INPAINT
    default = RecommendedSettings(size=Size(side, side))
    best = scheduler if card.scheduler or scheduler in FEW_STEP_SCHEDULERS or not distilled else SchedulerName.LCM
    return Checkpoint(
        name=name,
        title=display_text(card.title, 120) or name,
        description=_description(card, unavailable_scheduler(own), best),
        folder=folder,
        vae_scale_factor=factor,
        size_multiple=multiple,
        kind=kind,
        is_few_step=few_step,
        has_vae_encoder=_has_part(folder, Part.VAE_ENCODER),
        noise_schedule=NoiseSchedule.from_config(own),
        tiny_vae=folder / TINY_VAE_FOLDER if has_tiny_vae(folder) else None,
        recommended=RecommendedSettings(
            size=Size(side, side),
            steps=card.steps or (4 if few_step else default.steps),
            guidance_scale=default.guidance_scale if card.guidance_scale is None else card.guidance_scale,
            scheduler=best,
        ),
    )


def _level_count(config: Mapping[str, Any]) -> int:
    """Return the resolution levels of a UNet or VAE: width and height are halved at each but the last."""
    widths = config["block_out_channels"]
    if not isinstance(widths, list) or not 1 <= len(widths) <= _MAX_LEVELS:
        raise UntrustedFileError("block_out_channels is not a list of a few widths")
    return len(widths)


def _description(checkpoint_json: _CheckpointJson, missing_scheduler: str, substitute: SchedulerName) -> str:
    """Return the description in `checkpoint_json`, plus a note if the checkpoint's own scheduler is not available."""
    status = (
        f"It was made for {missing_scheduler}, which is not available here; {substitute.label} is suggested instead."
        if missing_scheduler and checkpoint_json.scheduler is None
        else ""
    )
    return " ".join(
        sentence for sentence in (checkpoint_json.description[:_MAX_DESCRIPTION_LENGTH], status) if sentence
    )


def _read_checkpoint_json(folder: Path) -> _CheckpointJson:
    file = folder / "checkpoint.json"
    return read_json_as(file, _CheckpointJson) if path_exists(file) else _CheckpointJson()


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        return read_json_object(file)
    except UntrustedFileError as problem:
        raise CheckpointError(
            f"{display_text(f'{file.parent.name}/{file.name}')} cannot be read.",
            why=f"{str(problem)[:1].upper()}{str(problem)[1:]}.",
            next_step="Choose a folder of OpenVINO SDXL parts: a model_index.json and a folder for each part.",
        ) from problem


def checkpoint_folders(library_folder: Path) -> tuple[Path, ...]:
    """Return the folders in `library_folder` that look like checkpoints, sorted by name. Folders being imported or
    removed and unreadable ones are skipped. Empty if `library_folder` cannot be listed."""
    try:
        inside = sorted(library_folder.iterdir())
    except OSError:
        return ()
    return tuple(
        folder
        for folder in inside
        if not folder.name.startswith(".") and is_folder(folder) and path_exists(folder / "model_index.json")
    )


@dataclass(frozen=True, slots=True)
class Library:
    """The checkpoints that ship with the application and those in the user's folder."""

    shipped_folder: Path
    user_folder: Path

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Return all usable checkpoints, the user's first; unusable folders are skipped."""
        found: dict[str, Checkpoint] = {}
        for home in (self.user_folder, self.shipped_folder):
            for folder in checkpoint_folders(home):
                if folder.name not in found:
                    with suppress(CheckpointError):
                        found[folder.name] = read_checkpoint(folder)
        return tuple(found.values())

    def damaged_checkpoints(self) -> dict[str, CheckpointError]:
        """Return the errors of unusable checkpoints, by name."""
        problems: dict[str, CheckpointError] = {}
        for folder in (*checkpoint_folders(self.user_folder), *checkpoint_folders(self.shipped_folder)):
            try:
                read_checkpoint(folder)
            except CheckpointError as problem:
                problems.setdefault(folder.name, problem)
        return problems

    def missing_checkpoints(self) -> tuple[KnownCheckpoint, ...]:
        """Return checkpoints that were in the user's folder and no longer are: moved, renamed, or on a disk that is not
        mounted.

        The current checkpoints are recorded for the next call.
        """
        add_known_checkpoints(
            self.user_folder, (found for found in self.checkpoints() if found.folder.parent == self.user_folder)
        )
        return tuple(
            about for about in read_known_checkpoints(self.user_folder) if not is_folder(self.user_folder / about.name)
        )

    def forget_missing(self, name: str) -> None:
        """Stop reporting the checkpoint `name` as missing."""
        remove_known_checkpoint(self.user_folder, name)

    @property
    def additions_folder(self) -> Path:
        """The folder for downloaded LoRAs, embeddings and VAEs; it may not exist."""
        return self.user_folder / "additions"

    def watched_folders(self) -> tuple[Path, ...]:
        """Return existing folders for a file watcher in which a change can alter the list of checkpoints: the user's
        folder (or its nearest existing ancestor) and each folder in it, since one may be copied file by file."""
        there = next(folder for folder in (self.user_folder, *self.user_folder.absolute().parents) if is_folder(folder))
        if there != self.user_folder:
            return (there,)
        try:
            inside = sorted(self.user_folder.iterdir())
        except OSError:
            return (self.user_folder,)
        return (
            self.user_folder,
            *(folder for folder in inside if not folder.name.startswith(".") and is_folder(folder)),
        )

    def find_checkpoint(self, name_or_folder: str) -> Checkpoint:
        """Return the checkpoint with that name or in that folder; raises CheckpointError with a list of known names."""
        known = self.checkpoints()
        for checkpoint in known:
            if checkpoint.name == name_or_folder:
                return checkpoint
        for damaged in (*checkpoint_folders(self.user_folder), *checkpoint_folders(self.shipped_folder)):
            if damaged.name == name_or_folder:
                return read_checkpoint(damaged)  # raises the reason why it is unusable
        folder = expand_path(name_or_folder)
        if is_folder(folder):
            return read_checkpoint(folder.resolve())
        if any(about.name == name_or_folder for about in read_known_checkpoints(self.user_folder)):
            raise CheckpointError(
                f"The checkpoint {name_or_folder} is missing.",
                why=f"It was in {self.user_folder}, and is not there any more.",
                next_step="Put its folder back, or choose another checkpoint.",
            )
        raise CheckpointError(
            f"There is no checkpoint called {display_text(name_or_folder)!r}.",
            next_step="Give a folder of OpenVINO SDXL parts or one of: "
            + (", ".join(checkpoint.name for checkpoint in known) or "(none found)")
            + ".",
        )

    def default_checkpoint(self) -> Checkpoint:
        """Return the starter checkpoint, or the first base checkpoint; raises CheckpointError for an empty library."""
        known = [checkpoint for checkpoint in self.checkpoints() if checkpoint.kind is CheckpointKind.BASE]
        if not known:
            raise CheckpointError(
                "No checkpoint was found.",
                why=f"Neither {self.user_folder} nor the application's own folder holds one.",
                next_step="Install the application again, or put a folder of OpenVINO SDXL parts there.",
            )
        return next((checkpoint for checkpoint in known if checkpoint.name == STARTER_CHECKPOINT), known[0])
