"""The checkpoints in memory, by folder and additions; kept while a run needs them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.compile_key import shared_file_hashes
from sdxl_desktop.engine.engine_protocol import Emit
from sdxl_desktop.engine.openvino.adapter_loader import AdapterLoader
from sdxl_desktop.engine.openvino.interruptible_request import Interrupt
from sdxl_desktop.engine.openvino.latent_preview import PreviewMap
from sdxl_desktop.engine.openvino.loaded_checkpoint import FileFingerprint, LoadedCheckpoint, file_fingerprint


@dataclass(frozen=True, slots=True)
class _CheckpointKey:
    """A checkpoint with additions, and the current fingerprint of their files."""

    folder: Path
    additions: Additions
    fingerprint: FileFingerprint

    @classmethod
    def of(cls, folder: Path, additions: Additions) -> _CheckpointKey:
        added = [lora.file for lora in additions.loras] + [embedding.file for embedding in additions.embeddings]
        added += [] if additions.vae is None else [additions.vae]
        return cls(folder, additions, file_fingerprint(folder, *added))

    def matches(self, loaded: LoadedCheckpoint) -> bool:
        return (loaded.folder, loaded.additions, loaded.fingerprint) == (self.folder, self.additions, self.fingerprint)


class CheckpointCache:
    """Loaded checkpoints, each only once."""

    def __init__(self, paths: AppPaths, interrupt: Interrupt) -> None:
        self._paths = paths
        self._interrupt = interrupt
        self._adapter_loader = AdapterLoader(paths)
        self.loaded: list[LoadedCheckpoint] = []

    def load(self, folder: Path, additions: Additions, emit: Emit) -> LoadedCheckpoint:
        """Return the checkpoint in `folder` with `additions`; it is read again only if its files have changed.

        Raises CheckpointError or AdditionError if it cannot be read or an addition cannot be applied.
        """
        return self._load(_CheckpointKey.of(folder, additions), emit)

    def load_only(self, checkpoints: Iterable[tuple[Path, Additions]], emit: Emit) -> list[LoadedCheckpoint]:
        """As `load` for each; other or changed checkpoints are released before anything is read."""
        wishes = [_CheckpointKey.of(folder, additions) for folder, additions in checkpoints]
        self.loaded = [loaded for loaded in self.loaded if any(wish.matches(loaded) for wish in wishes)]
        return [self._load(wish, emit) for wish in wishes]

    def _load(self, key: _CheckpointKey, emit: Emit) -> LoadedCheckpoint:
        for loaded in self.loaded:
            if key.matches(loaded):
                return loaded
        emit(Progress(phase=Phase.LOADING))
        self._interrupt.check()
        hashes = shared_file_hashes(self._paths.cache)
        read = replace(LoadedCheckpoint.load(key.folder, hashes, self._interrupt.check), fingerprint=key.fingerprint)
        loaded = self._adapter_loader.load_adapters(read, key.additions, partial(self._report_loading, emit))
        loaded.preview_map = loaded.preview_map or PreviewMap.read_cached(self.preview_file(loaded))
        self.loaded.append(loaded)
        return loaded

    def _report_loading(self, emit: Emit, what: str, share: float) -> None:
        self._interrupt.check()
        emit(Progress(phase=Phase.LOADING, fraction=share, detail=what))

    def keep_only(self, wanted: Iterable[LoadedCheckpoint]) -> None:
        """Release all other checkpoints and their memory."""
        self.loaded = list(wanted)

    def preview_file(self, loaded: LoadedCheckpoint) -> Path:
        """Return the file of the preview map fitted to this checkpoint's VAE."""
        return self._paths.cache / "previews" / f"{loaded.latent_format_id}.json"
