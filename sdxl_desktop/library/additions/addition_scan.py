"""Finds the LoRAs and embeddings in the person's folders. Of a weight file only the header is read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdxl_desktop.core.additions import MAX_EMBEDDING_BYTES
from sdxl_desktop.core.file_hashes import FileState, file_state
from sdxl_desktop.core.paths import AppPaths, chosen_folder, resources_folder
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.formats.lora_keys import is_lora
from sdxl_desktop.formats.safetensors_header import Header, HeaderError, read_header
from sdxl_desktop.formats.vae_key_mapping import is_vae_file
from sdxl_desktop.library.addition_detection import AdditionKind, why_not_embedding
from sdxl_desktop.library.additions.addition_entry import AdditionEntry
from sdxl_desktop.library.additions.base_models import embedding_base_model, lora_base_model
from sdxl_desktop.library.additions.sidecar_files import Sidecar, find_picture, read_sidecars
from sdxl_desktop.library.additions.training_metadata import (
    described,
    guess_trigger_words,
    has_thumbnail,
    training_tags,
    trigger_phrases,
)

_MAX_FILES = 20_000
_MAX_DEPTH = 8
_WEIGHT_ENDINGS = (".safetensors",)
_PICKLED_ENDINGS = (".pt", ".bin")
_EMBEDDINGS_NAME = re.compile(r"embed|textual.?inversion", re.IGNORECASE)
_CHECKPOINT_BYTES = 2**32
"""A larger file is a checkpoint that lies in the wrong folder."""

CancelCheck = Callable[[], None]


@dataclass(frozen=True, slots=True)
class AdditionFolder:
    """A folder to look through. `holds_embeddings`: .pt and .bin files in it are taken for embeddings, as in every
    subfolder whose name says so."""

    path: Path
    is_shipped: bool = False
    holds_embeddings: bool = False


def addition_folders(paths: AppPaths, preferences: Preferences) -> tuple[AdditionFolder, ...]:
    """Return the folders of the library, in the order in which their names count: the chosen one, the application's own
    two, that of downloads, and what ships with the application."""
    downloads = chosen_folder(preferences.checkpoints_folder, paths.checkpoints) / "additions"
    chosen = preferences.additions_folder.strip()
    folders = [AdditionFolder(chosen_folder(chosen, paths.data))] if chosen else []
    folders += [
        AdditionFolder(paths.loras),
        AdditionFolder(paths.embeddings, holds_embeddings=True),
        AdditionFolder(downloads / "loras"),
        AdditionFolder(downloads / "embeddings", holds_embeddings=True),
        AdditionFolder(resources_folder() / "additions", is_shipped=True),
    ]
    return tuple(folders)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A weight file in a folder of the library; `names` are those of all files beside it, by lower-case spelling."""

    path: Path
    folder: AdditionFolder
    names: Mapping[str, str]

    @property
    def subfolder(self) -> str:
        return "/".join(self.path.parent.relative_to(self.folder.path).parts)

    @property
    def may_be_pickled_embedding(self) -> bool:
        """Whether the folder says that a .pt or .bin file is an embedding; elsewhere it may be anything."""
        return self.folder.holds_embeddings or bool(
            _EMBEDDINGS_NAME.search(f"{self.folder.path.name}/{self.subfolder}")
        )


def find_files(folders: Sequence[AdditionFolder]) -> Iterator[FoundFile]:
    """Yield the weight files in `folders` and their subfolders, each once, without opening them. Hidden files, and what
    cannot be listed, are skipped; links to folders are followed once."""
    seen_folders: set[str] = set()
    seen_files: set[str] = set()
    for folder in folders:
        for path, names in _walk(folder.path, 0, seen_folders):
            for name in sorted(names.values()):
                found = FoundFile(path / name, folder, names)
                if not _may_be_addition(found) or (place := os.path.realpath(found.path)) in seen_files:
                    continue
                seen_files.add(place)
                if len(seen_files) > _MAX_FILES:
                    return
                yield found


def _may_be_addition(found: FoundFile) -> bool:
    ending = found.path.suffix.lower()
    return ending in _WEIGHT_ENDINGS or (ending in _PICKLED_ENDINGS and found.may_be_pickled_embedding)


def _walk(folder: Path, depth: int, seen: set[str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield each folder with the names of its files."""
    place = os.path.realpath(folder)
    if place in seen or depth > _MAX_DEPTH:
        return
    seen.add(place)
    names: dict[str, str] = {}
    inside: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    inside.append(entry.name)
                elif entry.is_file():
                    names[entry.name.lower()] = entry.name
    except OSError:
        return
    yield folder, names
    for name in sorted(inside):
        yield from _walk(folder / name, depth + 1, seen)


class AdditionScanner:
    """Reads the entries of all folders. What did not change since the last scan is not read again.

    Used by one thread at a time.
    """

    def __init__(self) -> None:
        self._known: dict[Path, tuple[object, AdditionEntry | None]] = {}

    def scan(self, folders: Sequence[AdditionFolder], check: CancelCheck = lambda: None) -> tuple[AdditionEntry, ...]:
        """Return the LoRAs and embeddings in `folders`, ordered by folder and path. Files that are neither are left
        out, damaged ones have a `problem`. `check` is called for each file and may raise to cancel."""
        known, self._known = self._known, {}
        for found in find_files(folders):
            check()
            try:
                state = _state_with_sidecars(found)
            except OSError:
                continue
            held = known.get(found.path)
            entry = held[1] if held is not None and held[0] == state else _read_entry(found, state[0])
            self._known[found.path] = (state, entry)
        return tuple(entry for _, entry in self._known.values() if entry is not None)


def read_entry(file: Path) -> AdditionEntry | None:
    """Return the entry of one file outside the library; None if it is neither LoRA nor embedding, or is missing."""
    try:
        names = {name.lower(): name for name in os.listdir(file.parent)}
        return _read_entry(FoundFile(file, AdditionFolder(file.parent), names), file_state(file))
    except OSError:
        return None


def _state_with_sidecars(found: FoundFile) -> tuple[FileState, tuple[tuple[str, FileState], ...]]:
    """Return values that change whenever the file or one beside it with its stem does. Raises OSError if the file
    cannot be read."""
    stem = found.path.stem.lower() + "."
    beside = []
    for lower, name in found.names.items():
        if lower.startswith(stem) and name != found.path.name:
            try:
                beside.append((name, file_state(found.path.with_name(name))))
            except OSError:
                continue
    return file_state(found.path), tuple(sorted(beside))


def _read_entry(found: FoundFile, state: FileState) -> AdditionEntry | None:
    side = read_sidecars(found.path, found.names)
    entry = AdditionEntry(
        file=found.path,
        name=found.path.stem,
        folder=found.subfolder,
        kind=AdditionKind.EMBEDDING if found.may_be_pickled_embedding else AdditionKind.LORA,
        is_shipped=found.folder.is_shipped,
        bytes=state[0],
        modified=state[1] / 1e9,
        title=side.title,
        author=side.author,
        description=side.description,
        trigger_words=side.trigger_words,
        preferred_weight=side.preferred_weight,
        notes=side.notes,
        thumbnail=find_picture(found.path, found.names),
    )
    if found.path.suffix.lower() in _PICKLED_ENDINGS:
        return _with_pickled(entry, side)
    if state[0] > _CHECKPOINT_BYTES:
        return None
    try:
        header = read_header(found.path)
    except HeaderError as problem:
        return replace(entry, problem=problem.why)
    return _with_header(entry, header, side)


def _with_pickled(entry: AdditionEntry, side: Sidecar) -> AdditionEntry | None:
    """An embedding in a pickle is not opened here: the engine reads it safely when it is used."""
    if entry.bytes > MAX_EMBEDDING_BYTES:
        return None
    kind, name = embedding_base_model({}, {}, side.base_model)
    return replace(entry, kind=AdditionKind.EMBEDDING, base_model=kind, base_model_name=name)


def _with_header(entry: AdditionEntry, header: Header, side: Sidecar) -> AdditionEntry | None:
    metadata = header.metadata
    if is_lora(header.tensors):
        kind, (base, name) = AdditionKind.LORA, lora_base_model(header.tensors, metadata, side.base_model)
    elif not is_vae_file(header.tensors) and not why_not_embedding(header):
        kind, (base, name) = AdditionKind.EMBEDDING, embedding_base_model(header.tensors, metadata, side.base_model)
    else:
        return None
    tags, own = training_tags(metadata), described(metadata)
    words = entry.trigger_words or trigger_phrases(metadata) or guess_trigger_words(tags)
    return replace(
        entry,
        kind=kind,
        base_model=base,
        base_model_name=name,
        trigger_words=words if kind is AdditionKind.LORA else (),
        tags=tags,
        has_own_thumbnail=has_thumbnail(metadata),
        title=entry.title or own["title"],
        alias=own["alias"],
        author=entry.author or own["author"],
        description=entry.description or own["description"],
    )
