"""Turns what the system says while something is written into sentences."""

from __future__ import annotations

import errno

from sdxl_desktop.library.hub.errors import DiskFullError, HubError

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_KEPT = "What is there is kept."


def disk_problem(problem: OSError, folder: str) -> HubError:
    """For what went wrong while writing."""
    if problem.errno in _FULL:
        return DiskFullError(
            "The disk is full.",
            why=f"{_KEPT}",
            next_step=f"Make room where {folder} lies, then start it again to go on.",
        )
    return HubError(
        f"{folder} cannot be written.", why=f"{problem.strerror or problem}. {_KEPT}", next_step="Check the folder."
    )
