"""Parts with LoRAs fused into them, made once and kept on disk, whole or not at all, within a bound."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openvino as ov

from sdxl_desktop.core.additions import LoraUse
from sdxl_desktop.core.errors import AdditionError, CheckpointError, EngineError
from sdxl_desktop.core.file_hashes import FileHashes
from sdxl_desktop.core.native_errors import OPENVINO_ERRORS
from sdxl_desktop.core.parts import GRAPH, WEIGHTS, Part
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.adapters import whole
from sdxl_desktop.engine.openvino.adapters.fusing import OnLayer, fuse
from sdxl_desktop.lora.reading import Lora, read_lora

GIB = 1 << 30
DEFAULT_LIMIT = 20 * GIB
_VERSION = 2
"""Counted up when fusing gives other numbers, so that what an older release kept is made again."""

Weighted = tuple[tuple[str, float], ...]
"""(content of the LoRA, weight), sorted, each content once, none of weight 0."""


@dataclass
class FusedParts:
    """Fused parts under the folder `cache`, at most `limit` bytes of them; the least recently used go first.

    What was handed out last for each part is never thrown away, even where it alone is more than the limit.
    """

    cache: Path
    limit: int = DEFAULT_LIMIT
    hashes: FileHashes = field(default_factory=FileHashes)
    _loras: dict[tuple[Path, str, str], Lora] = field(default_factory=dict)
    _in_use: dict[str, Path] = field(default_factory=dict)

    def fused(
        self,
        folder: Path,
        part: str,
        content_id: str,
        uses: Sequence[LoraUse],
        unet_config: Mapping[str, Any],
        on_layer: OnLayer = lambda done, total: None,
    ) -> Path:
        """The folder of `part` (now in `folder`, with that content) with all `uses` fused: `folder` itself when they
        change nothing in it, else one in the cache, made now if it is not there.

        Raises AdditionError when a LoRA cannot be used, EngineError when the result cannot be kept, and what
        `on_layer` raises to stop.
        """
        weighted = self._weighted(uses)
        loras = [(self._read(file, unet_config), weight) for file, weight in weighted.values()]
        touching = [content for content, (lora, _) in zip(weighted, loras, strict=True) if lora.changes(part)]
        if not touching:
            self._in_use.pop(part, None)
            return folder
        concerned = _sorted({content: weighted[content][1] for content in touching})
        kept = self.cache / f"{part}-{key(content_id, part, concerned, unet_config)}"
        if not whole.is_intact(kept, self.hashes):
            whole.remove(kept)
            by_content = dict(zip(weighted, loras, strict=True))
            _make(kept, folder, part, [by_content[content] for content, _ in concerned], on_layer)
        self._in_use[part] = kept
        whole.touch(kept)
        self._bound()
        return kept

    def notes(self, uses: Sequence[LoraUse], unet_config: Mapping[str, Any]) -> tuple[str, ...]:
        """What a person should know about LoRAs of which something was left out; raises AdditionError."""
        read = [self._read(file, unet_config) for file, _ in self._weighted(uses).values()]
        return tuple(note for lora in read for note in lora.notes)

    def _weighted(self, uses: Iterable[LoraUse]) -> dict[str, tuple[Path, float]]:
        """(file, weight) by content: the same LoRA twice is one of both weights, and weight 0 is none."""
        found: dict[str, tuple[Path, float]] = {}
        for use in uses:
            if use.weight:
                content = self._content(use.file)
                file, before = found.get(content, (use.file, 0.0))
                found[content] = (file, before + use.weight)
        return {content: (file, weight) for content, (file, weight) in found.items() if weight}

    def _content(self, file: Path) -> str:
        try:
            return self.hashes.of(file)
        except OSError as problem:
            raise AdditionError(
                f"The LoRA {file} cannot be read.", why=f"{problem.strerror}.", next_step="Check the path."
            ) from problem

    def _read(self, file: Path, unet_config: Mapping[str, Any]) -> Lora:
        known = (file, self._content(file), _told(unet_config))
        if known not in self._loras:
            self._loras[known] = read_lora(file, unet_config)
        return self._loras[known]

    def _bound(self) -> None:
        """Throw away the least recently used until what is kept is within the limit."""
        entries = sorted((entry for entry in whole.folders(self.cache) if whole.is_whole(entry)), key=whole.last_used)
        sizes = {entry: _bytes(entry) for entry in entries}
        total = sum(sizes.values())
        for entry in entries:
            if total <= self.limit:
                return
            if entry not in self._in_use.values():
                total -= sizes[entry]
                whole.remove(entry)


def key(content_id: str, part: str, weighted: Weighted, unet_config: Mapping[str, Any]) -> str:
    """A name for what fusing gives: the same for the same content, part, LoRA contents and weights in any order, and
    configuration of the UNet, by which the layers of LoRAs are found."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([_VERSION, content_id, part, _sorted(dict(weighted)), _told(unet_config)]).encode())
    return digest.hexdigest()


def _told(config: Mapping[str, Any]) -> str:
    return json.dumps(dict(config), sort_keys=True, default=list)


def _sorted(weights: Mapping[str, float]) -> Weighted:
    return tuple(sorted(weights.items()))


def _make(kept: Path, folder: Path, part: str, loras: Sequence[tuple[Lora, float]], on_layer: OnLayer) -> None:
    """Fuse `loras` into the part in `folder` and write it, with its other files, to `kept`."""
    try:
        with whole.written_whole(kept) as writing:
            _check_room(writing, folder)
            for file in folder.iterdir():
                if file.is_file() and file.name not in (GRAPH, WEIGHTS):
                    shutil.copy2(file, writing / file.name)
            model = _read_model(folder / GRAPH, part)
            fuse(model, Part(part), loras, on_layer)
            _save(model, writing / GRAPH)
    except OSError as problem:
        raise EngineError(
            f"The {part.replace('_', ' ')} with its LoRAs cannot be kept in {kept.parent}.",
            why=f"{problem.strerror or problem}.",
            next_step="Make room on the disk.",
        ) from problem


def _read_model(file: Path, part: str) -> ov.Model:
    try:
        return devices.core.read_model(file)
    except OPENVINO_ERRORS as problem:
        raise CheckpointError(
            f"The {part.replace('_', ' ')} in {file.parent} cannot be read.",
            why="Its graph or its weights are damaged.",
            next_step="Copy or export the checkpoint again.",
        ) from problem


def _save(model: ov.Model, file: Path) -> None:
    try:
        ov.save_model(model, file, compress_to_fp16=False)
    except RuntimeError as problem:
        raise OSError(str(problem).splitlines()[-1]) from problem


def _check_room(cache: Path, folder: Path) -> None:
    needed, free = _bytes(folder), shutil.disk_usage(cache).free
    if free < needed:
        raise OSError(f"{needed / GIB:.1f} GiB are needed and {free / GIB:.1f} GiB are free")


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in whole.files(folder))
