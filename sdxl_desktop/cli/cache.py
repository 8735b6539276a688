"""`cache`: list, prune, prepare and clear what was compiled for this computer's devices and is kept on disk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sdxl_desktop.cli.cache_prepare import Preparation
from sdxl_desktop.cli.cache_prepare import prepare as run_preparation
from sdxl_desktop.cli.doors import Doors
from sdxl_desktop.cli.draw import library_for, load_preferences
from sdxl_desktop.cli.report import json_line
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.speed import DEFAULT_SPEED, Speed
from sdxl_desktop.engine.compiled_entries import FUSED, Entry, Pruned
from sdxl_desktop.engine.compiled_store import GB, CompiledStore, Runtime, openvino_version

cache = typer.Typer(help="List, prepare, prune and clear what is kept compiled on disk.")

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_COLUMNS = ("CHECKPOINT", "PART", "DEVICE", "SHAPE", "PRECISION", "SIZE", "LAST USE", "COMPILED IN", "")
_RIGHT = {"SIZE", "COMPILED IN"}


@cache.command("list")
def list_(context: typer.Context, as_json: _Json = False) -> int:
    """List what is kept, the most recently used first."""
    doors: Doors = context.obj
    preferences = _preferences(doors)
    entries = _store(doors).judged(_runtime, _folders(doors, preferences))
    quota = preferences.compiled_quota_gb * GB
    total = sum(entry.bytes for entry in entries)
    if as_json:
        _print({"entries": [_report(entry) for entry in entries], "bytes": total, "quota": quota})
        return 0
    if entries:
        for line in _table([_row(entry, time.time()) for entry in entries]):
            typer.echo(line)
    typer.echo(f"{_size(total)} of {_size(quota)} are taken, in {_store(doors).folder.parent}.")
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
    """Throw away what can never be of use again, then the least recently used beyond the quota.

    What a running engine uses stays.
    """
    doors: Doors = context.obj
    preferences = _preferences(doors)
    allowed = preferences.compiled_quota_gb if quota is None else quota
    return _tell(_store(doors).prune(allowed * GB, _runtime, library=_folders(doors, preferences)), as_json)


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
    doors: Doors = context.obj
    preferences = _preferences(doors)
    found = library_for(doors.paths(), preferences).find(checkpoint)
    sizes = [Size.parse(text) for text in size or ()] or [found.recommended.size]
    for each in sizes:
        found.check_size(each)
    speeds = [Speed.parse(text) for text in speed or ()] or [DEFAULT_SPEED]
    wanted = Preparation(found.folder, found.title, sizes, speeds, preferences.execution)
    return run_preparation(doors, wanted, as_json=as_json)


@cache.command()
def clear(context: typer.Context, as_json: _Json = False) -> int:
    """Throw away everything but what a running engine uses. It will be compiled again when it is needed."""
    return _tell(_store(context.obj).clear(), as_json)


def _store(doors: Doors) -> CompiledStore:
    return CompiledStore(doors.paths().compiled)


def _preferences(doors: Doors) -> Preferences:
    return load_preferences(doors.paths(), Console(stderr=True))


def _folders(doors: Doors, preferences: Preferences) -> list[Path]:
    """Of every checkpoint there is."""
    return [checkpoint.folder for checkpoint in library_for(doors.paths(), preferences).checkpoints()]


def _runtime(device: str) -> Runtime:
    """Without importing OpenVINO its version alone is known; an engine also looks at the driver when it compiles."""
    return Runtime(openvino_version(), driver="")


def _tell(pruned: Pruned, as_json: bool) -> int:
    if as_json:
        removed = [_report(entry) for entry in pruned.removed]
        _print({"removed": removed, "freed": pruned.freed, "left": pruned.left})
        return 0
    for entry in pruned.removed:
        why = f": {entry.stale.label}" if entry.stale else ""
        typer.echo(f"Removed {_title(entry)}, {_size(entry.bytes)}{why}.")
    held = sum(entry.in_use for entry in pruned.kept)
    in_use = f", {held} of them in use" if held else ""
    what = f"{len(pruned.kept)} kept{in_use}: {_size(pruned.left)}."
    typer.echo(f"{_size(pruned.freed)} are free again; {what}" if pruned.removed else f"Nothing to remove; {what}")
    return 0


def _title(entry: Entry) -> str:
    part = entry.part.replace("_", " ")
    return f"{part} of {_checkpoints(entry)}" if entry.checkpoints else part


def _checkpoints(entry: Entry) -> str:
    return ", ".join(entry.checkpoints)


def _row(entry: Entry, now: float) -> tuple[str, ...]:
    state = "in use" if entry.in_use else f"stale: {entry.stale.label}" if entry.stale else ""
    fused = entry.kind == FUSED
    return (
        _checkpoints(entry) or "-",
        f"{entry.part} with LoRAs" if fused else f"{entry.part} (cut)" if "-deep" in entry.content else entry.part,
        entry.device or "-",
        entry.shape or "-",
        ", ".join(entry.precisions) or "-",
        _size(entry.bytes),
        _ago(now - entry.last_used),
        "-" if entry.seconds is None else f"{entry.seconds:.1f} s",
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


def _report(entry: Entry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "checkpoints": list(entry.checkpoints),
        "content": entry.content,
        "part": entry.part,
        "device": entry.device or None,
        "shape": entry.shape or None,
        "precisions": list(entry.precisions),
        "bytes": entry.bytes,
        "last_used": round(entry.last_used, 3),
        "compile_seconds": entry.seconds,
        "in_use": entry.in_use,
        "stale": entry.stale.value if entry.stale else None,
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
