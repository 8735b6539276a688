"""The errors of reading files of weights and what describes them."""

from __future__ import annotations

from sdxl_desktop.core.errors import CheckpointError


class DamagedFileError(CheckpointError):
    """A file of weights is not what its format demands: cut short, changed, or made to do harm."""


class NotSdxlError(CheckpointError):
    """Weights of something else than SDXL, named where it is known."""
