"""Finished pictures for the history's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import GenerationRequest, Prompts, Sampling
from sdxl_desktop.history.entries import HistoryChange
from sdxl_desktop.history.pictures import new_picture
from sdxl_desktop.history.store import History
from sdxl_desktop.metadata.picture_files import write_picture, write_picture_without_metadata

CHECKPOINT = Path("/somewhere/checkpoints/base")


def request_for(prompt: str, seed: int = 1, **parts: Any) -> GenerationRequest:
    negative = parts.pop("negative_prompt", "")
    return GenerationRequest(
        checkpoint=parts.pop("checkpoint", CHECKPOINT),
        prompts=Prompts(prompt=prompt, negative_prompt=negative),
        sampling=Sampling(seed=seed),
        **parts,
    )


def finished(seed: int, width: int = 16, height: int = 8) -> Picture:
    """A small picture that differs with its seed."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Picture(pixels=pixels, seed=seed, checkpoint_id="2:abc")


def edit_of(pixels: np.ndarray[Any, Any], mask: np.ndarray[Any, Any] | None = None, name: str = "") -> EditParameters:
    return EditParameters(
        picture=Raster.from_pixels(pixels, name), mask=None if mask is None else Raster.from_pixels(mask)
    )


@dataclass
class Work:
    """A pictures folder and a database, which may be closed and opened again."""

    folder: Path
    opened: History | None = None
    changes: list[HistoryChange] = field(default_factory=list)

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"

    @property
    def database(self) -> Path:
        return self.folder / "data" / "history.sqlite3"

    @property
    def history(self) -> History:
        if self.opened is None:
            self.opened = History.open(self.database)
            self.opened.subscribe(self.changes.append)
        return self.opened

    def close(self) -> None:
        if self.opened is not None:
            self.opened.close()
            self.opened = None

    def write(self, name: str, prompt: str = "a cat", seed: int = 1, **parts: Any) -> Path:
        """Write a picture file without indexing it."""
        file = self.pictures / name
        with_record = parts.pop("with_record", True)
        picture = finished(seed, parts.pop("width", 16), parts.pop("height", 8))
        if with_record:
            write_picture(file, picture, request_for(prompt, seed, **parts))
        else:
            write_picture_without_metadata(file, picture)
        return file

    def add(self, name: str, prompt: str = "a cat", seed: int = 1, **parts: Any) -> int:
        """Write a picture and index it."""
        file = self.write(name, prompt, seed, **dict(parts))
        parts.pop("with_record", None)
        picture = finished(seed, parts.pop("width", 16), parts.pop("height", 8))
        return self.history.add(new_picture(file, picture, request_for(prompt, seed, **parts), "Base 1.0"))

    def names(self, **wanted: Any) -> list[str]:
        from sdxl_desktop.history.entries import HistoryFilter

        return [entry.file.name for entry in self.history.page(HistoryFilter(**wanted))]


@contextmanager
def work_in(folder: Path) -> Iterator[Work]:
    work = Work(folder)
    try:
        yield work
    finally:
        work.close()
