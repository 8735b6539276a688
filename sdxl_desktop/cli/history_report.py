"""Entries of the history as JSON, as rows of CSV, and as lines for people."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, TextIO

from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.history.entries import EntryState, HistoryDetails, HistoryEntry
from sdxl_desktop.metadata.picture_files import encode_record

_PROMPT_WIDTH = 60


def entry_report(entry: HistoryEntry) -> dict[str, Any]:
    """Return the entry for JSON: sizes as "WxH", times in ISO 8601 with their offset."""
    return {
        "id": entry.id,
        "file": str(entry.file),
        "created": entry.created.isoformat(),
        "size": str(entry.size),
        "kind": entry.kind.value,
        "prompt": entry.prompt,
        "negative_prompt": entry.negative_prompt,
        "seed": entry.seed,
        "checkpoint": entry.checkpoint_title,
        "checkpoint_id": entry.checkpoint_id,
        "rating": entry.rating,
        "starred": entry.starred,
        "has_mask": entry.has_mask,
        "tags": list(entry.tags),
        "state": entry.state.value,
    }


def details_report(details: HistoryDetails) -> dict[str, Any]:
    """Return everything about an entry for JSON; `record` is the record in the picture file."""
    record, timings = details.record, details.timings
    return {
        **entry_report(details.entry),
        "bytes": details.file_bytes,
        "version": details.version,
        "seconds": None if timings is None else {name: round(value, 4) for name, value in asdict(timings).items()},
        "devices": dict(details.devices),
        "parents": [
            {"role": each.role.value, "digest": each.digest, "name": each.name, "id": each.entry}
            for each in details.parents
        ],
        "record": None if record is None else json.loads(encode_record(record)),
    }


def entry_line(entry: HistoryEntry) -> str:
    """Return the entry on one line."""
    marks = "*" if entry.starred else ""
    marks += f"{entry.rating}/5" if entry.rating else ""
    where = entry.file.name if entry.state is EntryState.PRESENT else f"{entry.file.name} (missing)"
    prompt = display_text(entry.prompt, _PROMPT_WIDTH)
    when = f"{entry.created:%Y-%m-%d %H:%M}"
    return f"{entry.id:>6}  {when}  {entry.size!s:>9}  {marks:<4}  {prompt}  [{display_text(where)}]"


def write_jsonl(all_details: Iterable[HistoryDetails], file: TextIO) -> None:
    """Write one JSON object per line."""
    for details in all_details:
        file.write(json_line(details_report(details)) + "\n")


def write_csv(all_details: Iterable[HistoryDetails], file: TextIO) -> None:
    """Write a header and one row per entry. Tags are separated by semicolons, the record is one cell of JSON."""
    writer: csv.DictWriter[str] | None = None
    for details in all_details:
        report = details_report(details)
        report["tags"] = ";".join(details.entry.tags)
        for nested in ("seconds", "devices", "parents", "record"):
            report[nested] = "" if not report[nested] else json.dumps(report[nested], ensure_ascii=False)
        row = {name: _cell(value) for name, value in report.items()}
        if writer is None:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
        writer.writerow(row)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value
