"""`document.json`: the table of contents of a project, typed, versioned and bounded."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from sdxl_desktop.core.path_text import path_to_text, text_to_path
from sdxl_desktop.core.settings import WorkspaceValue
from sdxl_desktop.session.document.project_content import ProjectError

DOCUMENT_KIND = "sdxl-desktop-document"
FORMAT_VERSION = 2
MANIFEST_MEMBER = "document.json"

MAX_MANIFEST_BYTES = 16 * 2**20
"""Bytes of `document.json`."""
MAX_CANDIDATES = 1000
MAX_PIXELS = 2**28
"""Pixels of one picture: a document has sides of 16384 at most."""
MAX_MEMORY_BYTES = 2**32
"""What all pictures and latents of one project may take in memory together."""
MAX_LATENTS_BYTES = 2**30
"""Bytes of the kept latents of one candidate: every step of a thousand at 1024 x 1024 is a quarter of that."""


class ManifestHeader(msgspec.Struct):
    """What is the same in the card of every version there will ever be."""

    kind: str
    version: int
    application: str = ""


class StartEntry(msgspec.Struct):
    """Kept latents that a candidate's run began from: the name of the member that holds them, and the step."""

    latents: str
    step: int | None = None


class CandidateEntry(msgspec.Struct):
    """One candidate. `pixels`, `drawn` and `latents` name members ("" for none); `record` is the picture's record as
    `metadata.picture_files` writes it."""

    pixels: str
    record: msgspec.Raw
    index: int = 0
    notes: list[str] = []
    drawn: str = ""
    latents: str = ""
    start: StartEntry | None = None
    saved_to: str = ""


class QueuedRequestEntry(msgspec.Struct):
    """A request that was to be drawn: its `record`, with the seed of the first picture, and what it begins from."""

    record: msgspec.Raw
    start: StartEntry | None = None


class SidecarEntry(msgspec.Struct):
    """A member that lies beside the project in a file of its own, see `beside`: `shape` of the pixels, or the [size] of
    anything else; `digest` of its bytes."""

    file: str
    shape: list[int]
    digest: str


class Manifest(msgspec.Struct):
    """The whole card. `picture` and `mask` name members ("" for none), and one member may stand in several places.

    `grounds` has, by `pixel_key`, the members with the pixels that candidates were drawn on, and waiting requests are
    to be. `waiting` and `kept_as` stand in kept work only.
    """

    kind: str = DOCUMENT_KIND
    version: int = FORMAT_VERSION
    application: str = ""
    picture: str = ""
    mask: str = ""
    picture_name: str = ""
    candidates: list[CandidateEntry] = []
    grounds: dict[str, str] = {}
    workspace: msgspec.Raw = msgspec.Raw(b"null")
    waiting: list[QueuedRequestEntry] = []
    kept_as: str = ""
    beside: dict[str, SidecarEntry] = {}


class ManifestV1(msgspec.Struct):
    """The card of version 1, which had candidates without a record; no released window ever wrote any."""

    picture_name: str = ""
    has_picture: bool = False
    has_mask: bool = False
    candidates: int = 0


def encode_workspace(workspace: WorkspaceValue) -> msgspec.Raw:
    """The panels' values as JSON, without what belongs to the window."""
    return msgspec.Raw(msgspec.json.encode(replace(workspace, geometry="", layout=""), enc_hook=_encode))


def decode_workspace(raw: msgspec.Raw) -> WorkspaceValue | None:
    """The panels' values; raises MsgspecError or RequestError for what is none."""
    return msgspec.json.decode(raw, type=WorkspaceValue | None, dec_hook=_decode)


def check_size_limits(shapes: Iterable[tuple[int, ...]]) -> None:
    """Raise ProjectError when members of such shapes (bytes are [size]) would not be read again."""
    total = 0
    for shape in shapes:
        size = math.prod(shape)
        total += size
        if (len(shape) > 1 and shape[0] * shape[1] > MAX_PIXELS) or (len(shape) == 1 and size > MAX_LATENTS_BYTES):
            raise _too_large(f"One of its parts has {size / 2**30:.1f} GB; that is more than a project may hold.")
    if total > MAX_MEMORY_BYTES:
        raise _too_large(
            f"It takes {total / 2**30:.1f} GB of memory; a project may take {MAX_MEMORY_BYTES / 2**30:.0f}."
        )


def _too_large(why: str) -> ProjectError:
    return ProjectError("The project is too large.", why=why, next_step="Discard some of its candidates.")


def _encode(value: object) -> object:
    if isinstance(value, Path):
        return path_to_text(value)
    raise TypeError(f"{type(value)} has no place in a project")


def _decode(kind: type, value: object) -> object:
    if issubclass(kind, Path) and isinstance(value, str):
        return text_to_path(value)
    raise TypeError(f"{kind} has no place in a project")
