"""The sizes already compiled on devices that need fixed shapes; the frame prefers them."""

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
    """Reads the folder of compiled parts once per checkpoint and execution, until `clear_cache`."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._cache: dict[tuple[Path, Execution], tuple[Size, ...]] = {}

    def sizes_for(self, folder: Path, execution: Execution) -> tuple[Size, ...]:
        """Return the compiled sizes; empty if one compiled model serves every size."""
        if not needs_fixed_shapes(execution.device_for(Part.UNET)):
            return ()
        if (folder, execution) not in self._cache:
            self._cache[folder, execution] = compiled_image_sizes(self._store, folder, execution)
        return self._cache[folder, execution]

    def clear_cache(self) -> None:
        """Clear the cache, because the compiled sizes may have changed."""
        self._cache.clear()

    def with_compiled_sizes(
        self, policy: FramePolicy | None, checkpoint: Checkpoint | None, execution: Execution
    ) -> FramePolicy | None:
        """Return the policy with the compiled sizes."""
        if policy is None or checkpoint is None:
            return policy
        return replace(policy, compiled_sizes=self.sizes_for(checkpoint.folder, execution))
