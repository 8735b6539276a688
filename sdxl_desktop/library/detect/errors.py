"""The errors of bringing a checkpoint into the library."""

from __future__ import annotations

from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError


class DamagedFileError(CheckpointError):
    """A file of weights is not what its format demands: cut short, changed, or made to do harm."""


class NotSdxlError(CheckpointError):
    """Weights of something else than SDXL, named where it is known."""


class ImportFailedError(SdxlDesktopError):
    """Importing a good checkpoint failed: the disk, the memory, or a process that was killed."""
