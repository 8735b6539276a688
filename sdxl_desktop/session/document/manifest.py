"""`document.json`: the manifest of a project, typed, versioned and size-limited."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from sdxl_desktop.core.path_text import path_to_text, text_to_path
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.session.document.project_content import ProjectError

DOCUMENT_KIND = "sdxl-desktop-document"
FORMAT_VERSION = 2
MANIFEST_MEMBER = "document.json"

MAX_MANIFEST_BYTES = 16 * 2**20
"""Maximum size of `document.json`, in bytes."""
MAX_CANDIDATES = 1000
MAX_PIXELS = 2**28
"""Maximum pixels of one picture: a document's sides are at most 16384."""
MAX_MEMORY_BYTES = 2**32
"""Maximum memory of all pictures and latents of one project together."""
MAX_LATENTS_BYTES = 2**30
"""Maximum bytes of one candidate's saved latents: a thousand steps at 1024 x 1024 take a quarter of that."""


class ManifestHeader(msgspec.Struct):
    """The fields that every manifest version has, now and in future."""

    kind: str
    version: int
    application: str = ""


class StartEntry(msgspec.Struct):
    """Saved latents that a candidate's run resumed from: the name of their member, and the step."""

    latents: str
    step: int | None = None


class CandidateEntry(msgspec.Struct):
    """One candidate. `pixels`, `drawn` and `latents` name members ("" for none); `record` is the picture's record as
    written by `metadata.picture_files`."""

    pixels: str
    record: msgspec.Raw
    index: int = 0
    notes: list[str] = []
    drawn: str = ""
    latents: str = ""
    start: StartEntry | None = None
    saved_to: str = ""


class QueuedRequestEntry(msgspec.Struct):
    """A queued request: its `record`, with the seed of the first picture, and the latents it resumes from."""

    record: msgspec.Raw
    start: StartEntry | None = None


class SidecarEntry(msgspec.Struct):
    """A member stored in a file next to the project, see `sidecar`: `shape` of the pixels, or [size] for anything else;
    `digest` of its bytes."""

    file: str
    shape: list[int]
    digest: str


class Manifest(msgspec.Struct):
    """The complete manifest. `picture` and `mask` name members ("" for none); one member may be referenced several
    times.

    `grounds` maps `pixel_key` to the members with the source pixels of candidates and queued requests. `waiting` and
    `kept_as` exist in recovery files only.
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
    """The manifest of version 1, whose candidates had no record; no released version ever wrote candidates in it."""

    picture_name: str = ""
    has_picture: bool = False
    has_mask: bool = False
    candidates: int = 0


def encode_workspace(workspace: WorkspaceValue) -> msgspec.Raw:
    """Return the panel values as JSON, without those of the window."""
    return msgspec.Raw(msgspec.json.encode(replace(workspace, geometry="", layout=""), enc_hook=_encode))


def decode_workspace(raw: msgspec.Raw) -> WorkspaceValue | None:
    """Return the panel values; raises MsgspecError or RequestError if they are invalid."""
    return msgspec.json.decode(raw, type=WorkspaceValue | None, dec_hook=_decode)


def check_size_limits(shapes: Iterable[tuple[int, ...]]) -> None:
    """Raise ProjectError if members of these shapes (bytes are [size]) would be too large to be read back."""
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
