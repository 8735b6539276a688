"""The checkpoints in memory: taken by folder and what is added to them, kept as long as a run wants them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.compile_key import hashes_in
from sdxl_desktop.engine.openvino.equip import Outfitter
from sdxl_desktop.engine.openvino.interrupt import Interrupt
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint, Stamp, stamp
from sdxl_desktop.engine.openvino.preview import PreviewMap
from sdxl_desktop.engine.protocol import Emit


@dataclass(frozen=True, slots=True)
class _Wish:
    """A checkpoint with additions, and their files as they are now."""

    folder: Path
    additions: Additions
    stamp: Stamp

    @classmethod
    def of(cls, folder: Path, additions: Additions) -> _Wish:
        added = [lora.file for lora in additions.loras] + [embedding.file for embedding in additions.embeddings]
        added += [] if additions.vae is None else [additions.vae]
        return cls(folder, additions, stamp(folder, *added))

    def is_met_by(self, loaded: LoadedCheckpoint) -> bool:
        return (loaded.folder, loaded.additions, loaded.stamp) == (self.folder, self.additions, self.stamp)


class Shelf:
    """Loaded checkpoints, never the same one twice."""

    def __init__(self, paths: AppPaths, interrupt: Interrupt) -> None:
        self._paths = paths
        self._interrupt = interrupt
        self._outfitter = Outfitter(paths)
        self.loaded: list[LoadedCheckpoint] = []

    def take(self, folder: Path, additions: Additions, emit: Emit) -> LoadedCheckpoint:
        """The checkpoint in `folder` with `additions`, read again only when its files have changed.

        Raises CheckpointError or AdditionError when it cannot be read or added to.
        """
        return self._take(_Wish.of(folder, additions), emit)

    def take_only(self, wanted: Iterable[tuple[Path, Additions]], emit: Emit) -> list[LoadedCheckpoint]:
        """As `take` for each; what is none of these, or has changed, is let go before anything is read."""
        wishes = [_Wish.of(folder, additions) for folder, additions in wanted]
        self.loaded = [loaded for loaded in self.loaded if any(wish.is_met_by(loaded) for wish in wishes)]
        return [self._take(wish, emit) for wish in wishes]

    def _take(self, wish: _Wish, emit: Emit) -> LoadedCheckpoint:
        for loaded in self.loaded:
            if wish.is_met_by(loaded):
                return loaded
        emit(Progress(phase=Phase.LOADING))
        self._interrupt.check()
        hashes = hashes_in(self._paths.cache)
        read = replace(LoadedCheckpoint.load(wish.folder, hashes, self._interrupt.check), stamp=wish.stamp)
        loaded = self._outfitter.equip(read, wish.additions, partial(self._tell, emit))
        loaded.preview_map = loaded.preview_map or PreviewMap.kept(self.preview_file(loaded))
        self.loaded.append(loaded)
        return loaded

    def _tell(self, emit: Emit, what: str, share: float) -> None:
        self._interrupt.check()
        emit(Progress(phase=Phase.LOADING, fraction=share, detail=what))

    def keep_only(self, wanted: Iterable[LoadedCheckpoint]) -> None:
        """Let all others go, and with them their memory."""
        self.loaded = list(wanted)

    def preview_file(self, loaded: LoadedCheckpoint) -> Path:
        """Where the preview map learned for this checkpoint's VAE is kept."""
        return self._paths.cache / "previews" / f"{loaded.latents}.json"
