"""The content of a project, and the error raised if one cannot be read or written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.session.result_files import Result

PROJECT_SUFFIX = ".sdxld"


class ProjectError(SdxlDesktopError):
    """A project file cannot be read or written."""

    is_user_error = True


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """A document with everything that belongs to it.

    `picture` uint8 [H, W, 3] and `mask` uint8 [H, W], or None; `picture_name` is the file the picture came from;
    `candidates` are the current results, the oldest first, each with its pixels, request, notes and saved latents;
    `workspace` holds the panel values (not the window's own geometry). The files of the queue and recovery
    files of earlier versions alone have `queued_requests`; recovery files have `saved_file`, the document's own file if
    that holds the current state. `notes` are messages about what could not be
    restored on reading; they are not written.

    The arrays must not be modified afterwards.
    """

    picture: UInt8Array | None = None
    mask: UInt8Array | None = None
    picture_name: str = ""
    candidates: tuple[Result, ...] = ()
    workspace: WorkspaceValue | None = None
    queued_requests: tuple[GenerationRequest, ...] = ()
    saved_file: Path | None = None
    notes: tuple[str, ...] = ()
