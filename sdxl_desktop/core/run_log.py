"""Formats a run's request as one log line: every value that differs from its default, without pixels and prompts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np

from sdxl_desktop.core.app_log import with_prompts
from sdxl_desktop.core.errors import RequestError, SdxlDesktopError
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import GenerationRequest, Prompts

_MOST = 400
"""Maximum characters of one value."""


def format_request(request: GenerationRequest) -> str:
    """Format `request` as "name=value" pairs, without prompts, pixels, latents and defaults."""
    plain = replace(
        request.without_pixels(),
        prompts=Prompts(clip_skip=request.prompts.clip_skip),
        picture_prompts=(),
        prompt_source=None,
    )
    start = "" if request.start is None else f" start={request.start.step if request.start.step is not None else 'end'}"
    return f"{request.mode}{start} " + " ".join(f"{name}={value}" for name, value in _changed(plain, ""))


def prompts_extra(request: GenerationRequest) -> dict[str, object]:
    """Return the `extra` of a log call about this request: its prompts, which are logged only if allowed."""
    held = {_prefix(number): prompts for number, prompts in enumerate((request.prompts, *request.picture_prompts))}
    if request.prompt_source is not None:
        held["typed_"] = request.prompt_source.prompts
    return with_prompts(
        {
            f"{prefix}{name}": getattr(prompts, name)
            for prefix, prompts in held.items()
            for name in ("prompt", "negative_prompt", "prompt_2", "negative_prompt_2")
        }
    )


def _prefix(number: int) -> str:
    return f"picture_{number}_" if number else ""


def _changed(value: object, prefix: str) -> Iterator[tuple[str, str]]:
    assert is_dataclass(value)
    for declared in fields(value):
        held = getattr(value, declared.name)
        if isinstance(held, np.ndarray) or held == _default(declared):
            continue
        name = f"{prefix}{declared.name}"
        if isinstance(held, Raster):
            yield name, str(held.size)  # its file name may be derived from a prompt
        elif is_dataclass(held) and not isinstance(held, type):
            yield from _changed(held, f"{name}.")
        else:
            yield name, _text(held)


def _default(declared: Field[object]) -> object:
    return declared.default_factory() if declared.default_factory is not MISSING else declared.default


def _text(value: object) -> str:
    match value:
        case Enum():
            text = str(value.value)
        case Path():
            text = repr(str(value))
        case tuple():
            text = f"[{', '.join(_text(each) for each in value)}]"
        case _ if is_dataclass(value) and not isinstance(value, type):
            text = f"({' '.join(f'{name}={each}' for name, each in _changed(value, ''))})"
        case _:
            text = repr(value)
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def format_error(problem: SdxlDesktopError) -> str:
    """Format `problem` for the log: in full, but an invalid request without its reason, which may quote the prompt."""
    return f"{type(problem).__name__}: {problem.what if isinstance(problem, RequestError) else problem}"
