"""`checkpoints`: list, show, verify, remove and import checkpoints from the command line."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sdxl_desktop.cli.hub_token import hub_token
from sdxl_desktop.cli.import_command import import_checkpoint, library_of, report
from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library import inventory
from sdxl_desktop.library.convert.resource_estimate import format_bytes
from sdxl_desktop.library.import_record import verify_checkpoint
from sdxl_desktop.library.inventory import check_removable, folder_size
from sdxl_desktop.library.scan import Library

checkpoints = typer.Typer(help="List, show, verify, remove and import checkpoints.")

_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
_Name = Annotated[str, typer.Argument(help="A checkpoint's name, or its folder.", show_default=False)]


@checkpoints.command("list")
def list_(context: typer.Context, as_json: _Json = False) -> int:
    """List the usable checkpoints, and what is wrong with the others."""
    library = library_of(context.obj)
    found, missing, damaged = library.checkpoints(), library.missing_checkpoints(), library.damaged_checkpoints()
    if as_json:
        away = [{"name": about.name, "title": about.title} for about in missing]
        broken = [{"name": name, "problem": str(problem)} for name, problem in damaged.items()]
        _print(
            {
                "checkpoints": [report(checkpoint, library) for checkpoint in found],
                "missing": away,
                "damaged": broken,
            }
        )
        return 0
    for checkpoint in found:
        about = report(checkpoint, library)
        typer.echo(
            f"{checkpoint.name:<28} {checkpoint.kind.value:<8} {format_bytes(about['bytes']):>8}  {checkpoint.title}"
        )
    for name, problem in damaged.items():
        typer.echo(f"{name:<28} {'damaged':<8} {'':>8}  {problem.what} {problem.why}".rstrip())
    for gone in missing:
        typer.echo(f"{gone.name:<28} {'missing':<8} {'':>8}  {gone.title}")
    return 0


@checkpoints.command()
def show(context: typer.Context, name: _Name, as_json: _Json = False) -> int:
    """Show the details of a checkpoint."""
    library = library_of(context.obj)
    about = report(library.find_checkpoint(name), library)
    if as_json:
        _print(about)
        return 0
    for key, value in about.items():
        words = format_bytes(value) if key == "bytes" else "yes" if value is True else "no" if value is False else value
        if words not in (None, ""):
            typer.echo(f"{key.replace('_', ' '):<18} {words}")
    return 0


@checkpoints.command("verify")
def verify_(context: typer.Context, name: _Name, as_json: _Json = False) -> int:
    """Check every file of a checkpoint: by its hash if it was imported, else for truncation."""
    folder = _folder(library_of(context.obj), name)
    found = verify_checkpoint(folder)
    if as_json:
        _print({"folder": str(folder), "whole": not found.problems, **asdict(found)})
    else:
        for problem in found.problems:
            typer.echo(problem)
        if not found.problems:
            how = "are what they were" if found.by_hash else "are there, and not cut short"
            typer.echo(f"All is well: {found.files} files {how}.")
    return 1 if found.problems else 0


@checkpoints.command()
def remove(
    context: typer.Context,
    name: _Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: _Json = False,
) -> int:
    """Remove a checkpoint from the library, with its files."""
    library = library_of(context.obj)
    if not (library.user_folder / name).is_dir() and any(about.name == name for about in library.missing_checkpoints()):
        return _forget(library, name, as_json)
    folder = _folder(library, name)
    check_removable(folder, library)
    question = f"Remove {folder} ({format_bytes(folder_size(folder))})?"
    if not yes and not (sys.stdin.isatty() and typer.confirm(question, err=True)):
        raise CheckpointError(f"{name} was not removed.", next_step="Say --yes to remove it without being asked.")
    size = inventory.remove_checkpoint(folder, library)
    if as_json:
        _print({"removed": str(folder), "bytes": size})
    else:
        typer.echo(f"Removed {name}; {format_bytes(size)} are free again.")
    return 0


checkpoints.command("import")(import_checkpoint)
checkpoints.command("token")(hub_token)


def _forget(library: Library, name: str, as_json: bool) -> int:
    """Forget a missing checkpoint, which has no files to remove."""
    library.forget_missing(name)
    if as_json:
        _print({"removed": str(library.user_folder / name), "bytes": 0})
    else:
        typer.echo(f"{name} is missing already; it will not be listed any more.")
    return 0


def _folder(library: Library, name: str) -> Path:
    """Return the folder of a checkpoint, including damaged ones: they cannot be used but can be named."""
    inside = library.user_folder / name
    if Path(name).name == name and not name.startswith(".") and inside.is_dir():
        return inside.resolve()
    return library.find_checkpoint(name).folder.resolve()


def _print(content: dict[str, Any]) -> None:
    print(json_line(content), flush=True)
