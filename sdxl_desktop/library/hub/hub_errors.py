"""Errors of hub requests and downloads."""

from __future__ import annotations

import errno

from sdxl_desktop.core.errors import SdxlDesktopError

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_KEPT = "What is there is kept."


class HubError(SdxlDesktopError):
    """A valid request failed because of the hub, the connection, or the response."""


class AddressError(HubError):
    """The entered text is not a valid hub address."""

    is_user_error = True


class HubNotFoundError(HubError):
    """The hub has no such repository, revision or file, or none of its files is usable."""

    is_user_error = True


class AccessError(HubError):
    """The hub requires a token, or a licence to be accepted first."""

    is_user_error = True


class RateLimitedError(HubError):
    """The hub asked to wait longer, or more often, than is reasonable."""


class ConnectionLostError(HubError):
    """The hub was unreachable, or the connection broke repeatedly; finished work is kept."""


class DiskFullError(HubError):
    """The disk has too little space; finished work is kept."""


class ChecksumMismatchError(HubError):
    """A file's content twice differed from the hash that the hub declares."""


class DownloadCancelledError(HubError):
    """The user paused or stopped the download; finished work is kept for the next run."""


def disk_error(problem: OSError, folder: str) -> HubError:
    """Return the error for a failed write."""
    if problem.errno in _FULL:
        return DiskFullError(
            "The disk is full.",
            why=f"{_KEPT}",
            next_step=f"Make room where {folder} lies, then start it again to go on.",
        )
    return HubError(
        f"{folder} cannot be written.", why=f"{problem.strerror or problem}. {_KEPT}", next_step="Check the folder."
    )
