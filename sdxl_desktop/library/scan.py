"""Reads checkpoint folders: recognises OpenVINO SDXL parts, describes them, and refuses the rest by reason."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind, Recommended
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.noise_schedule import NoiseSchedule
from sdxl_desktop.core.parts import ENCODERS, GRAPH, WEIGHTS, Part
from sdxl_desktop.core.paths import expanded
from sdxl_desktop.core.request import MAX_GUIDANCE, MAX_SIDE, MAX_STEPS
from sdxl_desktop.core.schedulers import FEW_STEP, SchedulerName, checked_config, missing, nearest_scheduler
from sdxl_desktop.core.small_files import SmallFileError, exists, is_folder, is_regular, read_as, read_object
from sdxl_desktop.library.remembered import Remembered, forget, remember, remembered

STARTER = "starter"
TINY_VAE = "vae_tiny"
TINY_VAE_FILES = ("config.json", "diffusion_pytorch_model.safetensors")
_MOST_LEVELS = 10
_LONGEST_DESCRIPTION = 4000
_NEEDED = (*ENCODERS, Part.UNET, Part.VAE_DECODER)


class _Card(msgspec.Struct, frozen=True):
    """checkpoint.json: what a folder says of itself beyond what its parts tell. All of it optional."""

    title: str = ""
    description: str = ""
    steps: Annotated[int, msgspec.Meta(ge=1, le=MAX_STEPS)] | None = None
    guidance_scale: Annotated[float, msgspec.Meta(ge=0, le=MAX_GUIDANCE)] | None = None
    scheduler: SchedulerName | None = None


def read_checkpoint(folder: Path, name: str = "") -> Checkpoint:
    """Describe the checkpoint in `folder`; raises CheckpointError with the reason if it cannot be run."""
    try:
        return _read(folder, name or folder.name)
    except CheckpointError:
        raise
    except SmallFileError as problem:
        raise _senseless(folder, f"{problem}") from problem
    except Exception as problem:  # whatever a stranger's files lead to, it is this folder's fault alone
        raise _senseless(folder, f"{type(problem).__name__}: {problem}") from problem


def _senseless(folder: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"The description of {shown(folder.name, 80)} makes no sense.",
        why=f"{shown(why).rstrip('.')}.",
        next_step="Export the checkpoint again.",
    )


def _read(folder: Path, name: str) -> Checkpoint:
    if not is_folder(folder):
        raise CheckpointError(f"There is no checkpoint folder at {folder}.", next_step="Check the path.")
    index = _read_json(folder / "model_index.json")
    kind = shown(str(index.get("_class_name", "")), 80)
    if "StableDiffusionXL" not in kind:
        raise CheckpointError(
            f"{shown(folder.name, 80)} is not an SDXL checkpoint.",
            why=f"Its model_index.json says {kind or 'nothing of its kind'}.",
            next_step="Choose a folder with SDXL parts.",
        )
    refines = _refines(index)
    needed = _NEEDED if not refines else tuple(part for part in _NEEDED if part != Part.TEXT_ENCODER)
    missing = [part for part in needed if not _has_part(folder, part)]
    if missing:
        raise CheckpointError(
            f"{shown(folder.name, 80)} is not complete for drawing from words.",
            why=f"OpenVINO parts are missing: {', '.join(missing)}.",
            next_step="Choose a folder of OpenVINO SDXL parts, or copy the missing parts into it.",
        )
    unet = _read_json(folder / Part.UNET / "config.json")
    vae = _read_json(folder / Part.VAE_DECODER / "config.json")
    return _describe(folder, name, unet, vae, refines=refines)


def _refines(index: Mapping[str, Any]) -> bool:
    """Whether model_index.json says that there is no first text encoder."""
    return "text_encoder" in index and index["text_encoder"] in (None, [None, None])


def _has_part(folder: Path, part: str) -> bool:
    return all(is_regular(folder / part / name) for name in (GRAPH, WEIGHTS))


def has_tiny_vae(folder: Path) -> bool:
    """Whether a checkpoint, in any form, brings a tiny VAE: diffusers' AutoencoderTiny in a folder of its own."""
    return all(is_regular(folder / TINY_VAE / name) for name in TINY_VAE_FILES)


def _describe(folder: Path, name: str, unet: Mapping[str, Any], vae: Mapping[str, Any], *, refines: bool) -> Checkpoint:
    factor = 2 ** (_levels(vae) - 1)
    multiple = max(8, factor * 2 ** (_levels(unet) - 1))
    side = int(unet.get("sample_size") or 128) * factor
    if not 8 <= side <= MAX_SIDE:
        raise SmallFileError(f"pictures of {side} pixels cannot be drawn")
    card = _read_card(folder)
    own = checked_config(_read_json(folder / "scheduler" / "scheduler_config.json"))
    scheduler = card.scheduler or nearest_scheduler(own)
    distilled = unet.get("time_cond_proj_dim") is not None
    few_step = distilled or scheduler in FEW_STEP
    kind = CheckpointKind.REFINER if refines else CheckpointKind.BASE
    if int(unet.get("in_channels", 4)) > int(unet.get("out_channels", 4)):
        kind = CheckpointKind.INPAINT
    default = Recommended(size=Size(side, side))
    best = scheduler if card.scheduler or scheduler in FEW_STEP or not distilled else SchedulerName.LCM
    return Checkpoint(
        name=name,
        title=shown(card.title, 120) or name,
        description=_description(card, missing(own), best),
        folder=folder,
        vae_factor=factor,
        size_multiple=multiple,
        kind=kind,
        few_step=few_step,
        has_encoder=_has_part(folder, Part.VAE_ENCODER),
        noise=NoiseSchedule.of(own),
        tiny_vae=folder / TINY_VAE if has_tiny_vae(folder) else None,
        recommended=Recommended(
            size=Size(side, side),
            steps=card.steps or (4 if few_step else default.steps),
            guidance_scale=default.guidance_scale if card.guidance_scale is None else card.guidance_scale,
            scheduler=best,
        ),
    )


def _levels(config: Mapping[str, Any]) -> int:
    """Levels of a UNet or a VAE: at each but the last, width and height are halved."""
    widths = config["block_out_channels"]
    if not isinstance(widths, list) or not 1 <= len(widths) <= _MOST_LEVELS:
        raise SmallFileError("block_out_channels is not a list of a few widths")
    return len(widths)


def _description(card: _Card, missing_scheduler: str, instead: SchedulerName) -> str:
    """The card's words, and what is not as the checkpoint wants it."""
    told = (
        f"It was made for {missing_scheduler}, which is not available here; {instead.label} is suggested instead."
        if missing_scheduler and card.scheduler is None
        else ""
    )
    return " ".join(sentence for sentence in (card.description[:_LONGEST_DESCRIPTION], told) if sentence)


def _read_card(folder: Path) -> _Card:
    file = folder / "checkpoint.json"
    return read_as(file, _Card) if exists(file) else _Card()


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        return read_object(file)
    except SmallFileError as problem:
        raise CheckpointError(
            f"{shown(f'{file.parent.name}/{file.name}')} cannot be read.",
            why=f"{str(problem)[:1].upper()}{str(problem)[1:]}.",
            next_step="Choose a folder of OpenVINO SDXL parts: a model_index.json and a folder for each part.",
        ) from problem


def checkpoint_folders(home: Path) -> tuple[Path, ...]:
    """The folders in `home` that look like checkpoints, by name: those that are being imported or removed are left
    out, and what cannot be looked at is none. Empty where `home` itself cannot be listed."""
    try:
        inside = sorted(home.iterdir())
    except OSError:
        return ()
    return tuple(
        folder
        for folder in inside
        if not folder.name.startswith(".") and is_folder(folder) and exists(folder / "model_index.json")
    )


@dataclass(frozen=True, slots=True)
class Library:
    """The checkpoints that ship with the application and those in the person's folder."""

    shipped: Path
    own: Path

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """All that can be run, the person's own first; folders that cannot are left out."""
        found: dict[str, Checkpoint] = {}
        for home in (self.own, self.shipped):
            for folder in checkpoint_folders(home):
                if folder.name not in found:
                    with suppress(CheckpointError):
                        found[folder.name] = read_checkpoint(folder)
        return tuple(found.values())

    def damaged(self) -> dict[str, CheckpointError]:
        """What is wrong with those that cannot be run, by name."""
        problems: dict[str, CheckpointError] = {}
        for folder in (*checkpoint_folders(self.own), *checkpoint_folders(self.shipped)):
            try:
                read_checkpoint(folder)
            except CheckpointError as problem:
                problems.setdefault(folder.name, problem)
        return problems

    def missing(self) -> tuple[Remembered, ...]:
        """Those that were in the person's folder and are not any more: moved, renamed, or on a disk that is not here.

        What is there now is remembered for the next time.
        """
        remember(self.own, (found for found in self.checkpoints() if found.folder.parent == self.own))
        return tuple(about for about in remembered(self.own) if not is_folder(self.own / about.name))

    def forget(self, name: str) -> None:
        """Do not miss the checkpoint called `name` any more."""
        forget(self.own, name)

    @property
    def additions(self) -> Path:
        """Where LoRAs, embeddings and VAEs that were downloaded are put; the folder need not be there."""
        return self.own / "additions"

    def watched_folders(self) -> tuple[Path, ...]:
        """Existing folders in which a change can mean another list of checkpoints, for a file watcher: the person's
        folder (or the nearest above it that exists) and each folder in it, since one may be copied file by file."""
        there = next(folder for folder in (self.own, *self.own.absolute().parents) if is_folder(folder))
        if there != self.own:
            return (there,)
        try:
            inside = sorted(self.own.iterdir())
        except OSError:
            return (self.own,)
        return (self.own, *(folder for folder in inside if not folder.name.startswith(".") and is_folder(folder)))

    def find(self, name_or_folder: str) -> Checkpoint:
        """The checkpoint of that name, or in that folder; raises CheckpointError that names those there are."""
        known = self.checkpoints()
        for checkpoint in known:
            if checkpoint.name == name_or_folder:
                return checkpoint
        for damaged in (*checkpoint_folders(self.own), *checkpoint_folders(self.shipped)):
            if damaged.name == name_or_folder:
                return read_checkpoint(damaged)  # raises what is wrong with it
        folder = expanded(name_or_folder)
        if is_folder(folder):
            return read_checkpoint(folder.resolve())
        if any(about.name == name_or_folder for about in remembered(self.own)):
            raise CheckpointError(
                f"The checkpoint {name_or_folder} is missing.",
                why=f"It was in {self.own}, and is not there any more.",
                next_step="Put its folder back, or choose another checkpoint.",
            )
        raise CheckpointError(
            f"There is no checkpoint called {shown(name_or_folder)!r}.",
            next_step="Give a folder of OpenVINO SDXL parts or one of: "
            + (", ".join(checkpoint.name for checkpoint in known) or "(none found)")
            + ".",
        )

    def default(self) -> Checkpoint:
        """The starter, or the first that draws from words; raises CheckpointError on an empty library."""
        known = [checkpoint for checkpoint in self.checkpoints() if checkpoint.kind is CheckpointKind.BASE]
        if not known:
            raise CheckpointError(
                "No checkpoint was found.",
                why=f"Neither {self.own} nor the application's own folder holds one.",
                next_step="Install the application again, or put a folder of OpenVINO SDXL parts there.",
            )
        return next((checkpoint for checkpoint in known if checkpoint.name == STARTER), known[0])
