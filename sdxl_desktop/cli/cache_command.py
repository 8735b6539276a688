"""`cache`: list, prune, prepare and clear the compiled models on disk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sdxl_desktop.cli.cache_prepare import CompileRequest
from sdxl_desktop.cli.cache_prepare import prepare as run_preparation
from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.generate_run import library_for, load_preferences
from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.speed import DEFAULT_SPEED, SpeedPreset
from sdxl_desktop.engine.compile_cache import GB, CompileCache, RuntimeVersion, openvino_version
from sdxl_desktop.engine.compile_cache_entries import FUSED_KIND, CompileCacheEntry, PruneResult

cache = typer.Typer(help="List, prepare, prune and clear the compiled models on disk.")

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_COLUMNS = ("CHECKPOINT", "PART", "DEVICE", "SHAPE", "PRECISION", "SIZE", "LAST USE", "COMPILED IN", "")
_RIGHT = {"SIZE", "COMPILED IN"}


@cache.command("list")
def list_(context: typer.Context, as_json: _Json = False) -> int:
    """List the compiled models on disk, the most recently used first."""
    entry_points: EntryPoints = context.obj
    preferences = _preferences(entry_points)
    entries = _store(entry_points).entries_with_stale_reasons(_runtime, _folders(entry_points, preferences))
    quota = preferences.compiled_quota_gb * GB
    total = sum(entry.size_bytes for entry in entries)
    if as_json:
        _print({"entries": [_report(entry) for entry in entries], "bytes": total, "quota": quota})
        return 0
    if entries:
        for line in _table([_row(entry, time.time()) for entry in entries]):
            typer.echo(line)
    typer.echo(f"{_size(total)} of {_size(quota)} are taken, in {_store(entry_points).folder.parent}.")
    return 0


@cache.command()
def prune(
    context: typer.Context,
    quota: Annotated[
        int | None,
        typer.Option(min=0, metavar="GB", help="How much may stay. [default: as in your settings]", show_default=False),
    ] = None,
    as_json: _Json = False,
) -> int:
    """Delete compiled models that can no longer be used, then the least recently used beyond the quota.

    Models in use by a running engine are kept.
    """
    entry_points: EntryPoints = context.obj
    preferences = _preferences(entry_points)
    allowed = preferences.compiled_quota_gb if quota is None else quota
    return _tell(
        _store(entry_points).prune(allowed * GB, _runtime, checkpoint_folders=_folders(entry_points, preferences)),
        as_json,
    )


@cache.command()
def prepare(
    context: typer.Context,
    checkpoint: Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="A checkpoint of your library.")],
    size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WxH", help="For pictures of this size. Repeatable. Default: what the checkpoint is made for."
        ),
    ] = None,
    speed: Annotated[
        list[str] | None,
        typer.Option(metavar="exact|balanced|fast", help="For this speed. Repeatable. Default: exact."),
    ] = None,
    as_json: _Json = False,
) -> int:
    """Compile a checkpoint's parts for your devices now, so that the first picture need not wait for it."""
    entry_points: EntryPoints = context.obj
    preferences = _preferences(entry_points)
    found = library_for(entry_points.paths(), preferences).find_checkpoint(checkpoint)
    sizes = [Size.parse(text) for text in size or ()] or [found.recommended.size]
    for each in sizes:
        found.check_size(each)
    speeds = [SpeedPreset.parse(text) for text in speed or ()] or [DEFAULT_SPEED]
    wanted = CompileRequest(found.folder, found.title, sizes, speeds, preferences.execution)
    return run_preparation(entry_points, wanted, as_json=as_json)


@cache.command()
def clear(context: typer.Context, as_json: _Json = False) -> int:
    """Delete all compiled models not in use by a running engine. They are compiled again when needed."""
    return _tell(_store(context.obj).clear(), as_json)


def _store(entry_points: EntryPoints) -> CompileCache:
    return CompileCache(entry_points.paths().compiled)


def _preferences(entry_points: EntryPoints) -> Preferences:
    return load_preferences(entry_points.paths(), Console(stderr=True))


def _folders(entry_points: EntryPoints, preferences: Preferences) -> list[Path]:
    """Return the folders of all checkpoints."""
    return [checkpoint.folder for checkpoint in library_for(entry_points.paths(), preferences).checkpoints()]


def _runtime(device: str) -> RuntimeVersion:
    """Without importing OpenVINO only its version is known; an engine also checks the driver when it compiles."""
    return RuntimeVersion(openvino_version(), driver="")


def _tell(pruned: PruneResult, as_json: bool) -> int:
    if as_json:
        removed = [_report(entry) for entry in pruned.removed]
        _print({"removed": removed, "freed": pruned.freed_bytes, "left": pruned.remaining_bytes})
        return 0
    for entry in pruned.removed:
        why = f": {entry.stale_reason.label}" if entry.stale_reason else ""
        typer.echo(f"Removed {_title(entry)}, {_size(entry.size_bytes)}{why}.")
    held = sum(entry.in_use for entry in pruned.remaining)
    in_use = f", {held} of them in use" if held else ""
    what = f"{len(pruned.remaining)} kept{in_use}: {_size(pruned.remaining_bytes)}."
    typer.echo(
        f"{_size(pruned.freed_bytes)} are free again; {what}" if pruned.removed else f"Nothing to remove; {what}"
    )
    return 0


def _title(entry: CompileCacheEntry) -> str:
    part = entry.part.replace("_", " ")
    return f"{part} of {_checkpoints(entry)}" if entry.checkpoints else part


def _checkpoints(entry: CompileCacheEntry) -> str:
    return ", ".join(entry.checkpoints)


def _row(entry: CompileCacheEntry, now: float) -> tuple[str, ...]:
    state = "in use" if entry.in_use else f"stale: {entry.stale_reason.label}" if entry.stale_reason else ""
    fused = entry.kind == FUSED_KIND
    return (
        _checkpoints(entry) or "-",
        f"{entry.part} with LoRAs" if fused else f"{entry.part} (cut)" if "-deep" in entry.content_id else entry.part,
        entry.device or "-",
        entry.shape or "-",
        ", ".join(entry.precisions) or "-",
        _size(entry.size_bytes),
        _ago(now - entry.last_used),
        "-" if entry.compile_seconds is None else f"{entry.compile_seconds:.1f} s",
        state,
    )


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in [_COLUMNS, *rows]) for column in range(len(_COLUMNS))]
    aligned = [
        "  ".join(
            cell.rjust(width) if name in _RIGHT else cell.ljust(width)
            for cell, width, name in zip(row, widths, _COLUMNS, strict=True)
        )
        for row in [_COLUMNS, *rows]
    ]
    return [line.rstrip() for line in aligned]


def _report(entry: CompileCacheEntry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "checkpoints": list(entry.checkpoints),
        "content": entry.content_id,
        "part": entry.part,
        "device": entry.device or None,
        "shape": entry.shape or None,
        "precisions": list(entry.precisions),
        "bytes": entry.size_bytes,
        "last_used": round(entry.last_used, 3),
        "compile_seconds": entry.compile_seconds,
        "in_use": entry.in_use,
        "stale": entry.stale_reason.value if entry.stale_reason else None,
        "folder": str(entry.folder),
    }


def _print(content: dict[str, Any]) -> None:
    typer.echo(json_line(content))


def _size(count: int) -> str:
    return (
        f"{count / GB:.1f} GB" if count >= GB else f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
    )


def _ago(seconds: float) -> str:
    if seconds < 60:
        return "just now"
    for name, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"
