"""A key of a request: two requests with the same one draw the same pictures."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import msgspec

from sdxl_desktop.core.request import GenerationRequest


def request_key(request: GenerationRequest) -> str:
    """Return a hash of everything in `request` that determines its pictures, equal for a request read back from the
    record of a picture file."""
    plain = replace(request, execution=type(request.execution)(), output=type(request.output)()).for_metadata()
    return hashlib.sha256(msgspec.json.encode(plain, enc_hook=str)).hexdigest()[:32]
