"""Errors of quantizing or comparing checkpoints."""

from __future__ import annotations

from sdxl_desktop.core.errors import SdxlDesktopError


class QuantizationError(SdxlDesktopError):
    """A checkpoint could not be quantized because of the disk, memory, or a library."""


class QuantizationCancelledError(SdxlDesktopError):
    """The user cancelled the quantization; finished work is kept for the next run."""


class ComparisonError(SdxlDesktopError):
    """Two checkpoints could not be compared."""


class ComparisonCancelledError(SdxlDesktopError):
    """The user cancelled the comparison."""
