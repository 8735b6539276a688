"""Install LoRAs, embeddings and VAEs in the library's additions folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.formats.detected_model import ModelKind
from sdxl_desktop.library.checkpoint_names import find_free_name
from sdxl_desktop.library.hub.hub_errors import disk_error
from sdxl_desktop.library.scan import Library

_FOLDER_BY_KIND = {ModelKind.LORA: "loras", ModelKind.EMBEDDING: "embeddings", ModelKind.VAE: "vaes"}
_USAGE_BY_KIND = {
    ModelKind.LORA: "It is a LoRA: drop it on the window, or use it with --lora {path}",
    ModelKind.EMBEDDING: "It is an embedding: drop it on the window, or use it with --embedding {path}",
    ModelKind.VAE: "It is a VAE, to be used with a checkpoint: --vae {path}",
}
_RECORD_FILES = ("download.json",)


def install_addition(kind: ModelKind, path: Path, name: str, library: Library) -> Path:
    """Move the file or folder `path` of kind `kind` to the additions of `library` under `name`, or a free variant of
    it; returns its new path. Raises CheckpointError if the kind is not an addition, HubError if it cannot be written.
    """
    if kind not in _FOLDER_BY_KIND:
        raise CheckpointError(f"{path.name} is a {kind}, which is no addition.")
    home = library.additions_folder / _FOLDER_BY_KIND[kind]
    suffix = path.suffix.lower() if path.is_file() else ""
    try:
        home.mkdir(parents=True, exist_ok=True)
        taken = [entry.stem if entry.is_file() else entry.name for entry in home.iterdir()]
        chosen = find_free_name(name, home) if name not in taken else _numbered_name(name, taken)
        place = home / f"{chosen}{suffix}"
        shutil.move(path, place)
        for record in _RECORD_FILES if place.is_dir() else ():
            (place / record).unlink(missing_ok=True)
    except OSError as problem:
        raise disk_error(problem, str(home)) from problem
    return place


def usage_hint(kind: ModelKind, path: Path) -> str:
    """Return a sentence that says how to use the addition at `path`."""
    return _USAGE_BY_KIND[kind].format(path=path)


def _numbered_name(name: str, taken: list[str]) -> str:
    return next(f"{name}-{number}" for number in range(2, 1000) if f"{name}-{number}" not in taken)
