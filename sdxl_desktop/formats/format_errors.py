"""The errors of reading weight files and their configurations."""

from __future__ import annotations

from sdxl_desktop.core.errors import CheckpointError


class DamagedFileError(CheckpointError):
    """A weight file violates its format: it is truncated, modified or malicious."""


class NotSdxlError(CheckpointError):
    """The weights are not for SDXL; the message names the model if it is known."""
