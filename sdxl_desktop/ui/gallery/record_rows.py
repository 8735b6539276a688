"""A record as rows of label and text: every setting that made the picture, without those that are at their default."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from PySide6.QtCore import QLocale

from sdxl_desktop.core.scalars import scalars
from sdxl_desktop.core.untrusted_text import display_text, replace_unencodable
from sdxl_desktop.history.entries import HistoryDetails
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.ui.gallery.entry_text import format_created, format_rating

Row = tuple[str, str]
"""Label and text."""

_PROMPTS = ("prompt", "prompt_2", "negative_prompt", "negative_prompt_2")
_ALWAYS_SHOWN = ("steps", "guidance_scale", "scheduler")
_GROUP_NAMES = {
    "edit": "Changing a picture",
    "refine": "Refiner",
    "micro_conditioning": "Micro-conditioning",
    "typed_prompts": "Typed",
    "prompt_source": "Typed",
}
_SKIPPED = ("execution", "output", "start", "checkpoint", "seed", "count", "size", "picture_prompts")
_MAX_TEXT = 20_000


def rows_of(details: HistoryDetails) -> list[Row]:
    """Return everything that is known about a picture, the most important first."""
    entry, record = details.entry, details.record
    rows: list[Row] = [("Prompt", entry.prompt), ("Negative prompt", entry.negative_prompt)]
    if record is not None:
        prompts = record.request.prompts
        rows[:] = [(_label(type(prompts), name), str(getattr(prompts, name) or "")) for name in _PROMPTS]
    rows += [
        ("Checkpoint", entry.checkpoint_title),
        ("Checkpoint ID", entry.checkpoint_id),
        ("Seed", str(entry.seed)),
        ("Size", f"{entry.size.width} × {entry.size.height}"),
        ("Kind", entry.kind.label),
    ]
    if record is not None:
        rows += _request_rows(record)
    rows += [
        ("Made", format_created(entry)),
        ("Time", _format_times(details)),
        ("Device", ", ".join(f"{part} on {device}" for part, device in details.devices.items())),
        ("Version", details.version or (record.version if record is not None else "")),
        ("Made from", ", ".join(f"{parent.role.value} {parent.name}".strip() for parent in details.parents)),
        ("Rating", format_rating(entry.rating) if entry.rating else ""),
        ("Tags", ", ".join(entry.tags)),
        ("File", replace_unencodable(str(entry.file))),
        ("File size", QLocale().formattedDataSize(details.file_bytes) if details.file_bytes else ""),
    ]
    return [(label, text) for label, text in rows if text]


def _format_times(details: HistoryDetails) -> str:
    times = details.timings
    if times is None:
        return ""
    named = {name: getattr(times, name) for name in ("load", "compile", "encode", "denoise", "decode")}
    return ", ".join(f"{name} {QLocale().toString(seconds, 'f', 1)} s" for name, seconds in named.items() if seconds)


def _request_rows(record: PictureRecord) -> Iterator[Row]:
    request = record.request
    for one in fields(request):
        value = getattr(request, one.name)
        if one.name == "prompts":
            yield from _part_rows(value, "", skipped=_PROMPTS)
        elif one.name in _SKIPPED or value is None:
            continue
        elif not is_dataclass(value):
            if value != one.default and (text := _format(value)):
                yield _label(type(request), one.name), text
        else:
            skipped = () if one.name in _GROUP_NAMES else _SKIPPED
            yield from _part_rows(value, _GROUP_NAMES.get(one.name, ""), skipped=skipped)


def _part_rows(part: Any, group: str, *, skipped: tuple[str, ...]) -> Iterator[Row]:
    """Yield the values of a part of the request that are not at their default."""
    for one in fields(part):
        value = getattr(part, one.name)
        if one.name in skipped or (value == one.default and one.name not in _ALWAYS_SHOWN):
            continue
        text = _format(value)
        if text:
            label = _label(type(part), one.name)
            yield (f"{group}: {label}" if group else label), text


def _label(kind: type, name: str) -> str:
    """Return the label of a value: that of its row in the panel, else its name in errors, else its own name."""
    declared = scalars(kind).get(name)
    found = declared.row.name if declared is not None and declared.row is not None else ""
    if not found and declared is not None:
        found = declared.what.removeprefix("The ").removeprefix("the ")
    found = found or name.replace("_", " ")
    return found[:1].upper() + found[1:]


def _format(value: Any) -> str:
    match value:
        case None | () | "":
            return ""
        case bool():
            return "On" if value else "Off"
        case Enum():
            return str(getattr(value, "label", value.value))
        case float():
            return QLocale().toString(value, "g", 6)
        case int():
            return str(value)
        case Path():
            return replace_unencodable(value.name)
        case str():
            return value[:_MAX_TEXT]
        case tuple() | list():
            return ", ".join(filter(None, map(_format, value)))
    if hasattr(value, "digest"):  # a picture or mask of the request, which has no pixels here
        return f"{value.name or 'picture'} ({value.size})"
    if is_dataclass(value) and type(value).__str__ is object.__str__:
        parts = ((one.name, getattr(value, one.name)) for one in fields(value))
        return ", ".join(
            f"{name.replace('_', ' ')} {_format(part)}" for name, part in parts if _format(part) not in ("", "Off")
        )
    return display_text(value, 400)
