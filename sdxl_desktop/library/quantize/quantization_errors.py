"""What can go wrong while a checkpoint is quantized or compared."""

from __future__ import annotations

from sdxl_desktop.core.errors import SdxlDesktopError


class QuantizationError(SdxlDesktopError):
    """A checkpoint could not be quantized: disk, memory, or the libraries that do it."""


class QuantizationCancelledError(SdxlDesktopError):
    """The person stopped it; what is finished is kept for the next time."""


class ComparisonError(SdxlDesktopError):
    """Two checkpoints could not be compared."""


class ComparisonCancelledError(SdxlDesktopError):
    """The person stopped the comparison."""
