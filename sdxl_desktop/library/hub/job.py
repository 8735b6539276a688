"""What the application hands to the download's process: one line of JSON on its standard input."""

from __future__ import annotations

import msgspec

from sdxl_desktop.library.hub.address import Address
from sdxl_desktop.library.hub.files import Listing


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """List what `address` holds or, where a `listing` is given, download that to the folder `destination`.

    The secret `token` travels here, since command lines and environments can be read by others. `reserve` in bytes is
    left free on the disk, `first_wait` in seconds is the shortest pause before something is tried again.
    """

    address: Address
    listing: Listing | None = None
    destination: str = ""
    openvino: bool = False
    token: str = ""
    token_from: str = ""
    reserve: int = 10**9
    first_wait: float = 1.0
