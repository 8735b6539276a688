"""What a result is to the picture on the canvas: a candidate for it, or a result of before."""

from __future__ import annotations

from enum import Enum

from sdxl_desktop.session.result_files import Result


class ResultKind(Enum):
    """Of a result, while there is a picture on the canvas or not."""

    CANDIDATE = "Candidate for the picture on the canvas"
    EARLIER = "Earlier result, not drawn on this picture"
    RESULT = ""


def result_kind(result: Result, picture_digest: str | None) -> ResultKind:
    """`ground` is the digest of the picture on the canvas, None where there is none."""
    if picture_digest is None:
        return ResultKind.RESULT
    edit = result.request.edit
    return ResultKind.CANDIDATE if edit is not None and edit.picture.digest == picture_digest else ResultKind.EARLIER
