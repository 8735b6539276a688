"""What a project holds, and the error that tells why one cannot be read or written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.settings import WorkspaceValue
from sdxl_desktop.session.result_files import Result

PROJECT_SUFFIX = ".sdxld"


class ProjectError(SdxlDesktopError):
    """A project file cannot be read or written."""

    is_user_error = True


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """A document with all that belongs to it.

    `picture` uint8 [H, W, 3] and `mask` uint8 [H, W], or None; `picture_name` the file the picture came from;
    `candidates` the results at hand, the oldest first, each with its pixels, request, notes and kept latents;
    `workspace` what the panels say (the window's own geometry is nobody else's business and is not kept); `waiting` the
    requests that are yet to be drawn, and `kept_as` the document's own file where that holds what is here, which only
    the person's own kept work has. `notes` are
    sentences about what could not be brought back when the project was read; they are not written.

    Nobody may write to the arrays afterwards.
    """

    picture: UInt8Array | None = None
    mask: UInt8Array | None = None
    picture_name: str = ""
    candidates: tuple[Result, ...] = ()
    workspace: WorkspaceValue | None = None
    queued_requests: tuple[GenerationRequest, ...] = ()
    saved_file: Path | None = None
    notes: tuple[str, ...] = ()
