"""The errors of bringing a checkpoint into the library."""

from __future__ import annotations

from sdxl_desktop.core.errors import SdxlDesktopError


class ImportFailedError(SdxlDesktopError):
    """Importing a good checkpoint failed: the disk, the memory, or a process that was killed."""
