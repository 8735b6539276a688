"""The sizes that need not be compiled any more, on devices that take each by itself: what the frame prefers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import needs_fixed_shapes
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.request import Execution
from sdxl_desktop.engine.compile_cache_entries import compiled_image_sizes
from sdxl_desktop.session.document.frame import FramePolicy


class PrecompiledSizes:
    """Looks into the folder of compiled parts once for each checkpoint and place, until it is told to forget."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._cache: dict[tuple[Path, Execution], tuple[Size, ...]] = {}

    def sizes_for(self, folder: Path, execution: Execution) -> tuple[Size, ...]:
        """The sizes; none where what is compiled serves every size."""
        if not needs_fixed_shapes(execution.device_for(Part.UNET)):
            return ()
        if (folder, execution) not in self._cache:
            self._cache[folder, execution] = compiled_image_sizes(self._store, folder, execution)
        return self._cache[folder, execution]

    def clear_cache(self) -> None:
        """Others may be there now."""
        self._cache.clear()

    def with_compiled_sizes(
        self, policy: FramePolicy | None, checkpoint: Checkpoint | None, execution: Execution
    ) -> FramePolicy | None:
        """The policy with these sizes."""
        if policy is None or checkpoint is None:
            return policy
        return replace(policy, compiled_sizes=self.sizes_for(checkpoint.folder, execution))
