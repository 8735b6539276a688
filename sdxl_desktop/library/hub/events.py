"""What a download tells while it runs, and how that crosses from its process as lines of JSON."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.hub.errors import KINDS, HubError
from sdxl_desktop.library.hub.files import Listing


class Stage(StrEnum):
    """What is being done; the words are shown to people."""

    ASKING = "asking the hub"
    CHECKING = "checking what is there"
    DOWNLOADING = "downloading"
    WAITING = "waiting"
    FINISHING = "finishing"


class DownloadProgress(msgspec.Struct, frozen=True, kw_only=True, tag="progress", tag_field="event"):
    """`done` of `total` bytes of all files are on the disk, `file` is at work. `done` falls only where a file turned
    out wrong and is fetched again.

    While WAITING, `seconds` is how long, and `why` says for what. `bytes_per_second` is the present rate, None while
    it is not known.
    """

    stage: Stage
    file: str = ""
    done: int = 0
    total: int = 0
    bytes_per_second: float | None = None
    seconds: float = 0.0
    why: str = ""

    @property
    def fraction(self) -> float:
        return self.done / self.total if self.total else 0.0


class Listed(msgspec.Struct, frozen=True, tag="listed", tag_field="event"):
    """The hub's answer to what an address holds."""

    listing: Listing


class Done(msgspec.Struct, frozen=True, tag="done", tag_field="event"):
    """All files are there and verified; `received` bytes came over the line this time."""

    received: int


class Problem(msgspec.Struct, frozen=True, tag="error", tag_field="event"):
    """An error on its way between processes."""

    kind: str
    what: str
    why: str = ""
    next_step: str = ""

    @classmethod
    def of(cls, problem: SdxlDesktopError) -> Problem:
        return cls(type(problem).__name__, problem.what, problem.why, problem.next_step)

    def error(self) -> HubError:
        return KINDS.get(self.kind, HubError)(self.what, why=self.why, next_step=self.next_step)


Event = DownloadProgress | Listed | Done | Problem
Emit = Callable[[Event], None]


def line(event: Event) -> bytes:
    return msgspec.json.encode(event) + b"\n"


def read_line(said: bytes) -> Event:
    """What the process said; raises msgspec.MsgspecError for a line that it cannot have said."""
    event: Event = msgspec.json.decode(said, type=Event)
    return event
