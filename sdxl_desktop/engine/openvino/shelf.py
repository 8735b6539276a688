"""The checkpoints in memory: taken by folder and what is added to them, kept as long as a run wants them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.events import Phase, Progress
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.openvino.equip import Outfitter
from sdxl_desktop.engine.openvino.interrupt import Interrupt
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint, stamp
from sdxl_desktop.engine.openvino.preview import PreviewMap
from sdxl_desktop.engine.protocol import Emit


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
        for loaded in self.loaded:
            if _is(loaded, folder, additions):
                return loaded
        emit(Progress(phase=Phase.LOADING))
        self._interrupt.check()
        loaded = self._outfitter.equip(LoadedCheckpoint.load(folder), additions, partial(self._tell, emit))
        loaded.preview_map = loaded.preview_map or PreviewMap.read(self.preview_file(loaded))
        self.loaded.append(loaded)
        return loaded

    def _tell(self, emit: Emit, what: str, share: float) -> None:
        self._interrupt.check()
        emit(Progress(phase=Phase.LOADING, fraction=share, detail=what))

    def keep_wanted(self, wanted: Iterable[tuple[Path, Additions]]) -> None:
        """Let go of all but the checkpoints in these folders with these additions."""
        wishes = list(wanted)
        self.loaded = [
            loaded for loaded in self.loaded if any(_is(loaded, folder, additions) for folder, additions in wishes)
        ]

    def keep_only(self, wanted: Iterable[LoadedCheckpoint]) -> None:
        """Let all others go, and with them their memory."""
        self.loaded = list(wanted)

    def preview_file(self, loaded: LoadedCheckpoint) -> Path:
        """Where the preview map learned for this checkpoint's VAE is kept."""
        return self._paths.cache / "previews" / f"{loaded.contents['vae_decoder']}.json"


def _is(loaded: LoadedCheckpoint, folder: Path, additions: Additions) -> bool:
    return loaded.folder == folder and loaded.additions == additions and loaded.stamp == stamp(folder)
