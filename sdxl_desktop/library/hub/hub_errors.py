"""What can be wrong between this computer and the hub, each kind with a name of its own."""

from __future__ import annotations

import errno

from sdxl_desktop.core.errors import SdxlDesktopError

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_KEPT = "What is there is kept."


class HubError(SdxlDesktopError):
    """The hub, the way to it, or what it sent failed under a good request."""


class AddressError(HubError):
    """What was typed names nothing that can be downloaded from the hub."""

    is_user_error = True


class HubNotFoundError(HubError):
    """The hub has no such repository, revision or file, or none of its files can be used."""

    is_user_error = True


class AccessError(HubError):
    """The hub wants to know who asks, or a licence to be accepted first."""

    is_user_error = True


class RateLimitedError(HubError):
    """The hub asked to wait longer, or more often, than is reasonable."""


class ConnectionLostError(HubError):
    """The hub could not be reached, or the connection broke again and again; what is there is kept."""


class DiskFullError(HubError):
    """There is not enough room on the disk; what is there is kept."""


class ChecksumMismatchError(HubError):
    """A file came twice with another content than the hub itself says it has."""


class DownloadCancelledError(HubError):
    """The person paused or stopped the download; what is there is kept for the next time."""


def disk_error(problem: OSError, folder: str) -> HubError:
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
