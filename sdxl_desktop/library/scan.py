"""Reads checkpoint folders: recognises OpenVINO SDXL parts, describes them, and refuses the rest by reason."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind, Recommended
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.library.remembered import Remembered, forget, remember, remembered

STARTER = "starter"
TINY_VAE = "vae_tiny"
TINY_VAE_FILES = ("config.json", "diffusion_pytorch_model.safetensors")
_NEEDED = ("text_encoder", "text_encoder_2", "unet", "vae_decoder")


class _Card(msgspec.Struct, frozen=True):
    """checkpoint.json: what a folder says of itself beyond what its parts tell. All of it optional."""

    title: str = ""
    description: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: SchedulerName | None = None


def read_checkpoint(folder: Path, name: str = "") -> Checkpoint:
    """Describe the checkpoint in `folder`; raises CheckpointError with the reason if it cannot be run."""
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint folder at {folder}.", next_step="Check the path.")
    index = _read_json(folder / "model_index.json")
    kind = str(index.get("_class_name", ""))
    if "StableDiffusionXL" not in kind:
        raise CheckpointError(
            f"{folder.name} is not an SDXL checkpoint.",
            why=f"Its model_index.json says {kind or 'nothing of its kind'}.",
            next_step="Choose a folder with SDXL parts.",
        )
    refines = _refines(index)
    needed = _NEEDED if not refines else tuple(part for part in _NEEDED if part != "text_encoder")
    missing = [part for part in needed if not _has_part(folder, part)]
    if missing:
        raise CheckpointError(
            f"{folder.name} is not complete for drawing from words.",
            why=f"OpenVINO parts are missing: {', '.join(missing)}.",
            next_step="Choose a folder of OpenVINO SDXL parts, or copy the missing parts into it.",
        )
    unet = _read_json(folder / "unet" / "config.json")
    vae = _read_json(folder / "vae_decoder" / "config.json")
    try:
        return _describe(folder, name or folder.name, unet, vae, refines=refines)
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as problem:
        raise CheckpointError(
            f"The description of {folder.name} makes no sense.",
            why=f"{type(problem).__name__}: {problem}.",
            next_step="Export the checkpoint again.",
        ) from problem


def _refines(index: Mapping[str, Any]) -> bool:
    """Whether model_index.json says that there is no first text encoder."""
    return "text_encoder" in index and index["text_encoder"] in (None, [None, None])


def _has_part(folder: Path, part: str) -> bool:
    return all((folder / part / f"openvino_model.{kind}").is_file() for kind in ("xml", "bin"))


def has_tiny_vae(folder: Path) -> bool:
    """Whether a checkpoint, in any form, brings a tiny VAE: diffusers' AutoencoderTiny in a folder of its own."""
    return all((folder / TINY_VAE / name).is_file() for name in TINY_VAE_FILES)


def _describe(folder: Path, name: str, unet: Mapping[str, Any], vae: Mapping[str, Any], *, refines: bool) -> Checkpoint:
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    multiple = max(8, factor * 2 ** (len(unet["block_out_channels"]) - 1))
    side = int(unet.get("sample_size") or 128) * factor
    card = _read_card(folder)
    scheduler = card.scheduler or _own_scheduler(folder)
    distilled = unet.get("time_cond_proj_dim") is not None
    few_step = distilled or scheduler is SchedulerName.LCM
    kind = CheckpointKind.REFINER if refines else CheckpointKind.BASE
    if int(unet.get("in_channels", 4)) > int(unet.get("out_channels", 4)):
        kind = CheckpointKind.INPAINT
    default = Recommended(size=Size(side, side))
    return Checkpoint(
        name=name,
        title=card.title or name,
        description=card.description,
        folder=folder,
        vae_factor=factor,
        size_multiple=multiple,
        kind=kind,
        few_step=few_step,
        has_encoder=_has_part(folder, "vae_encoder"),
        tiny_vae=folder / TINY_VAE if has_tiny_vae(folder) else None,
        recommended=Recommended(
            size=Size(side, side),
            steps=card.steps or (4 if few_step else default.steps),
            guidance_scale=default.guidance_scale if card.guidance_scale is None else card.guidance_scale,
            scheduler=card.scheduler or (SchedulerName.LCM if few_step else scheduler),
        ),
    )


_OWN_SCHEDULERS = {
    "EulerDiscreteScheduler": SchedulerName.EULER,
    "EulerAncestralDiscreteScheduler": SchedulerName.EULER_ANCESTRAL,
    "DDIMScheduler": SchedulerName.DDIM,
    "DPMSolverMultistepScheduler": SchedulerName.DPMPP_2M,
    "UniPCMultistepScheduler": SchedulerName.UNIPC,
    "HeunDiscreteScheduler": SchedulerName.HEUN,
    "LMSDiscreteScheduler": SchedulerName.LMS,
    "PNDMScheduler": SchedulerName.PNDM,
    "LCMScheduler": SchedulerName.LCM,
}


def _own_scheduler(folder: Path) -> SchedulerName:
    own = _read_json(folder / "scheduler" / "scheduler_config.json").get("_class_name", "")
    return _OWN_SCHEDULERS.get(own, SchedulerName.EULER)


def _read_card(folder: Path) -> _Card:
    file = folder / "checkpoint.json"
    return msgspec.json.decode(file.read_bytes(), type=_Card) if file.is_file() else _Card()


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise CheckpointError(
            f"{file} cannot be read.",
            why=f"{problem}.",
            next_step="Choose a folder of OpenVINO SDXL parts: a model_index.json and a folder for each part.",
        ) from problem
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} does not describe a checkpoint.", next_step="Export the checkpoint again.")
    return content


@dataclass(frozen=True, slots=True)
class Library:
    """The checkpoints that ship with the application and those in the person's folder."""

    shipped: Path
    own: Path

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """All that can be run, the person's own first; folders that cannot are left out."""
        found: dict[str, Checkpoint] = {}
        for home in (self.own, self.shipped):
            for folder in sorted(home.iterdir()) if home.is_dir() else ():
                hidden = folder.name.startswith(".")  # being imported, or being removed
                if hidden or not (folder / "model_index.json").is_file() or folder.name in found:
                    continue
                try:
                    found[folder.name] = read_checkpoint(folder)
                except CheckpointError:
                    continue
        return tuple(found.values())

    def missing(self) -> tuple[Remembered, ...]:
        """Those that were in the person's folder and are not any more: moved, renamed, or on a disk that is not here.

        What is there now is remembered for the next time.
        """
        remember(self.own, (found for found in self.checkpoints() if found.folder.parent == self.own))
        return tuple(about for about in remembered(self.own) if not (self.own / about.name).is_dir())

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
        there = next(folder for folder in (self.own, *self.own.absolute().parents) if folder.is_dir())
        if there != self.own:
            return (there,)
        inside = (folder for folder in sorted(self.own.iterdir()) if not folder.name.startswith("."))
        return (self.own, *(folder for folder in inside if folder.is_dir()))

    def find(self, name_or_folder: str) -> Checkpoint:
        """The checkpoint of that name, or in that folder; raises CheckpointError that names those there are."""
        known = self.checkpoints()
        for checkpoint in known:
            if checkpoint.name == name_or_folder:
                return checkpoint
        folder = Path(name_or_folder).expanduser()
        if os.path.isdir(folder):  # has an answer for every name
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
