"""Cache of parts with fused LoRAs: written atomically to disk, with a size limit."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openvino as ov

from sdxl_desktop.core.additions import LoraReference
from sdxl_desktop.core.errors import AdditionError, CheckpointError, EngineError
from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.openvino_errors import OPENVINO_ERRORS
from sdxl_desktop.core.parts import GRAPH, WEIGHTS, Part
from sdxl_desktop.engine import atomic_folder
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.adapters.graph_lora_fusing import LayerProgressCallback, fuse_loras
from sdxl_desktop.formats.lora_keys import LORA_PARTS
from sdxl_desktop.lora.reading import Lora, read_lora

GIB = 1 << 30
DEFAULT_MAX_BYTES = 20 * GIB
_VERSION = 2
"""Incremented when fusing gives other values, so that entries of older releases are not used."""

LoraWeights = tuple[tuple[str, float], ...]
"""(content hash of the LoRA, weight), sorted, without duplicate contents and weights of 0."""


@dataclass
class FusedPartCache:
    """Fused parts in the folder `cache`, at most `max_bytes`; the least recently used are evicted first.

    The last returned folder of each part is never evicted, even if it alone exceeds the limit.
    """

    cache: Path
    max_bytes: int = DEFAULT_MAX_BYTES
    hashes: FileHashCache = field(default_factory=FileHashCache)
    _loras: dict[tuple[Path, str, str], Lora] = field(default_factory=dict)
    _in_use: dict[str, Path] = field(default_factory=dict)

    def fuse_part(
        self,
        folder: Path,
        part: str,
        content_id: str,
        loras: Sequence[LoraReference],
        unet_config: Mapping[str, Any],
        on_layer: LayerProgressCallback = lambda done, total: None,
    ) -> Path:
        """Return the folder of `part` with all `loras` fused: `folder`, the original part with `content_id`, if they do
        not change it, else one in the cache, created if missing.

        Raises AdditionError if a LoRA cannot be used, EngineError if the result cannot be stored, and what `on_layer`
        raises to stop.
        """
        weighted = self._weights_by_content(loras, part)
        weighted_loras = [(self._read(file, unet_config), weight) for file, weight in weighted.values()]
        touching = [content for content, (lora, _) in zip(weighted, weighted_loras, strict=True) if lora.changes(part)]
        if not touching:
            self._in_use.pop(part, None)
            return folder
        concerned = _sorted({content: weighted[content][1] for content in touching})
        kept = self.cache / f"{part}-{fused_key(content_id, part, concerned, unet_config)}"
        if not atomic_folder.is_intact(kept, self.hashes):
            atomic_folder.remove(kept)
            by_content = dict(zip(weighted, weighted_loras, strict=True))
            _write_fused_part(kept, folder, part, [by_content[content] for content, _ in concerned], on_layer)
        self._in_use[part] = kept
        atomic_folder.touch(kept)
        self._evict()
        return kept

    def notes(self, loras: Sequence[LoraReference], unet_config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return notes for the user about LoRAs with left-out layers; raises AdditionError."""
        files = {
            content: file for part in LORA_PARTS for content, (file, _) in self._weights_by_content(loras, part).items()
        }
        return tuple(note for file in files.values() for note in self._read(file, unet_config).notes)

    def _weights_by_content(self, loras: Iterable[LoraReference], part: str) -> dict[str, tuple[Path, float]]:
        """Return (file, weight in `part`) by content: weights of the same LoRA are added, those of 0 are dropped."""
        found: dict[str, tuple[Path, float]] = {}
        for use in loras:
            if weight := use.weight_in(part):
                content = self._content_hash(use.file)
                file, before = found.get(content, (use.file, 0.0))
                found[content] = (file, before + weight)
        return {content: (file, weight) for content, (file, weight) in found.items() if weight}

    def _content_hash(self, file: Path) -> str:
        try:
            return self.hashes.get(file)
        except OSError as problem:
            raise AdditionError(
                f"The LoRA {file} cannot be read.", why=f"{problem.strerror}.", next_step="Check the path."
            ) from problem

    def _read(self, file: Path, unet_config: Mapping[str, Any]) -> Lora:
        known = (file, self._content_hash(file), _canonical_json(unet_config))
        if known not in self._loras:
            self._loras[known] = read_lora(file, unet_config)
        return self._loras[known]

    def _evict(self) -> None:
        """Delete the least recently used entries until the limit is met."""
        entries = sorted(
            (entry for entry in atomic_folder.list_folders(self.cache) if atomic_folder.is_complete(entry)),
            key=atomic_folder.last_used,
        )
        sizes = {entry: _folder_bytes(entry) for entry in entries}
        total = sum(sizes.values())
        for entry in entries:
            if total <= self.max_bytes:
                return
            if entry not in self._in_use.values():
                total -= sizes[entry]
                atomic_folder.remove(entry)


def fused_key(content_id: str, part: str, lora_weights: LoraWeights, unet_config: Mapping[str, Any]) -> str:
    """Return the cache key of a fused part: equal for the same content, part, LoRA contents and weights in any order,
    and UNet configuration, by which the LoRAs' layers are matched."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(
        json.dumps([_VERSION, content_id, part, _sorted(dict(lora_weights)), _canonical_json(unet_config)]).encode()
    )
    return digest.hexdigest()


def _canonical_json(config: Mapping[str, Any]) -> str:
    return json.dumps(dict(config), sort_keys=True, default=list)


def _sorted(weights: Mapping[str, float]) -> LoraWeights:
    return tuple(sorted(weights.items()))


def _write_fused_part(
    target: Path, folder: Path, part: str, loras: Sequence[tuple[Lora, float]], on_layer: LayerProgressCallback
) -> None:
    """Fuse `loras` into the part in `folder` and write it, with its other files, to `target`."""
    try:
        with atomic_folder.write_folder_atomically(target) as writing:
            _check_free_space(writing, folder)
            for file in folder.iterdir():
                if file.is_file() and file.name not in (GRAPH, WEIGHTS):
                    shutil.copy2(file, writing / file.name)
            model = _read_model(folder / GRAPH, part)
            fuse_loras(model, Part(part), loras, on_layer)
            _save_model(model, writing / GRAPH)
    except OSError as problem:
        raise EngineError(
            f"The {part.replace('_', ' ')} with its LoRAs cannot be kept in {target.parent}.",
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


def _save_model(model: ov.Model, file: Path) -> None:
    try:
        ov.save_model(model, file, compress_to_fp16=False)
    except RuntimeError as problem:
        raise OSError(str(problem).splitlines()[-1]) from problem


def _check_free_space(cache: Path, folder: Path) -> None:
    needed, free = _folder_bytes(folder), shutil.disk_usage(cache).free
    if free < needed:
        raise OSError(f"{needed / GIB:.1f} GiB are needed and {free / GIB:.1f} GiB are free")


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in atomic_folder.list_files(folder))
