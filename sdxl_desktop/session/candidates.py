"""What a result is to the picture on the canvas: a candidate for it, or a result of before."""

from __future__ import annotations

from enum import Enum

from sdxl_desktop.session.pictures import Result


class Kind(Enum):
    """Of a result, while there is a picture on the canvas or not."""

    CANDIDATE = "Candidate for the picture on the canvas"
    EARLIER = "Earlier result, not drawn on this picture"
    RESULT = ""


def kind_of(result: Result, ground: str | None) -> Kind:
    """`ground` is the digest of the picture on the canvas, None where there is none."""
    if ground is None:
        return Kind.RESULT
    edit = result.request.edit
    return Kind.CANDIDATE if edit is not None and edit.picture.digest == ground else Kind.EARLIER
