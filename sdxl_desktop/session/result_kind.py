"""How a result relates to the picture on the canvas: a candidate for it, or an earlier result."""

from __future__ import annotations

from enum import Enum

from sdxl_desktop.session.result_files import Result


class ResultKind(Enum):
    """Kind of a result, depending on the canvas picture."""

    CANDIDATE = "Candidate for the picture on the canvas"
    EARLIER = "Earlier result, not drawn on this picture"
    RESULT = ""


def result_kind(result: Result, picture_digest: str | None) -> ResultKind:
    """Return the kind; `picture_digest` is the digest of the canvas picture, None if there is none."""
    if picture_digest is None:
        return ResultKind.RESULT
    edit = result.request.edit
    return ResultKind.CANDIDATE if edit is not None and edit.picture.digest == picture_digest else ResultKind.EARLIER
