"""The last net under what a thread does: whatever is raised there becomes an error that the window can tell."""

from __future__ import annotations

from sdxl_desktop.core.errors import SdxlDesktopError, explained


def told(problem: Exception) -> SdxlDesktopError:
    """`problem` if it is one of ours, which tell for themselves; else what can be said of one that nobody foresaw."""
    return explained(problem, "Something failed unexpectedly.")
