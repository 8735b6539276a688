"""What becomes of a download: ready-made OpenVINO parts join the library, everything else is to be imported."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.formats.documents import read_json_if_there
from sdxl_desktop.library.catalogue import Entry
from sdxl_desktop.library.checkpoint_names import check_name, check_unused
from sdxl_desktop.library.convert.workspace import write_json
from sdxl_desktop.library.hub.errors import disk_problem
from sdxl_desktop.library.hub.files import Layout
from sdxl_desktop.library.hub.running import Downloaded
from sdxl_desktop.library.scan import read_checkpoint

DOWNLOADS = ".downloads"
"""In the person's checkpoints folder, so on the disk that they chose; the library does not look there."""


def destination(home: Path, name: str) -> Path:
    """Where the download called `name` goes, for a library in `home`. Raises CheckpointError for an unfit name."""
    check_name(name)
    return home / DOWNLOADS / name


def is_ready(done: Downloaded) -> bool:
    """Whether it can be drawn with as it is; else it is to be imported, which converts it."""
    return done.listing.layout is Layout.OPENVINO


def join_library(done: Downloaded, home: Path, entry: Entry | None = None, name: str = "") -> Checkpoint:
    """Move ready-made parts from `done.folder` into the library in `home` as `name` (default: as the folder is called),
    with the settings that `entry` of the catalogue recommends. Raises CheckpointError when they cannot be drawn with;
    the files stay where they are then."""
    name = name or done.folder.name
    check_unused(name, home)
    card = done.folder / "checkpoint.json"
    try:
        if entry is not None and entry.recommended is not None and not card.exists():
            card.write_bytes(msgspec.json.format(msgspec.json.encode(entry.card()), indent=2) + b"\n")
        if entry is not None and entry.recommended is not None and entry.recommended.timestep_spacing is not None:
            _set_spacing(done.folder / "scheduler" / "scheduler_config.json", entry.recommended.timestep_spacing)
        read_checkpoint(done.folder)
        done.folder.rename(home / name)
    except OSError as problem:
        raise disk_problem(problem, str(home)) from problem
    return read_checkpoint(home / name)


def _set_spacing(file: Path, spacing: str) -> None:
    """What a distilled checkpoint needs, whether or not the one who converted it wrote it down."""
    config = read_json_if_there(file)
    if config and config.get("timestep_spacing") != spacing:
        write_json(file, {**config, "timestep_spacing": spacing})
