"""Errors of importing a checkpoint."""

from __future__ import annotations

from sdxl_desktop.core.errors import SdxlDesktopError


class ImportFailedError(SdxlDesktopError):
    """Importing a valid checkpoint failed because of the disk, memory, or a killed process."""
