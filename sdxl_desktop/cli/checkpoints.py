"""`checkpoints`: list, show, verify, remove and import checkpoints from the command line."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from sdxl_desktop.cli.doors import Doors
from sdxl_desktop.cli.draw import library_for, load_preferences
from sdxl_desktop.cli.foreground import CANCELLED, ctrl_c_heard
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.convert.events import ConversionProgress
from sdxl_desktop.library.convert.forecast import gigabytes
from sdxl_desktop.library.convert.plan import ImportPlan, plan_import
from sdxl_desktop.library.convert.running import ImportCancelledError, run_import
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.detect.found import Layout
from sdxl_desktop.library.records import read_record, verify
from sdxl_desktop.library.scan import Library

checkpoints = typer.Typer(help="List, show, verify, remove and import checkpoints.")

_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
_Name = Annotated[str, typer.Argument(help="A checkpoint's name, or its folder.", show_default=False)]
_SECONDS_BETWEEN_LINES = 10.0


@checkpoints.command("list")
def list_(context: typer.Context, as_json: _Json = False) -> int:
    """List the checkpoints that can be drawn with."""
    library = _library(context.obj)
    found = library.checkpoints()
    if as_json:
        _print({"checkpoints": [_report(checkpoint, library) for checkpoint in found]})
        return 0
    for checkpoint in found:
        about = _report(checkpoint, library)
        typer.echo(
            f"{checkpoint.name:<28} {checkpoint.kind.value:<8} {gigabytes(about['bytes']):>8}  {checkpoint.title}"
        )
    return 0


@checkpoints.command()
def show(context: typer.Context, name: _Name, as_json: _Json = False) -> int:
    """Say what is known of a checkpoint."""
    library = _library(context.obj)
    about = _report(library.find(name), library)
    if as_json:
        _print(about)
        return 0
    for key, value in about.items():
        words = gigabytes(value) if key == "bytes" else "yes" if value is True else "no" if value is False else value
        if words not in (None, ""):
            typer.echo(f"{key.replace('_', ' '):<18} {words}")
    return 0


@checkpoints.command("verify")
def verify_(context: typer.Context, name: _Name, as_json: _Json = False) -> int:
    """Check every file of a checkpoint: by its hash where it was imported, else that nothing is cut short."""
    folder = _folder(_library(context.obj), name)
    found = verify(folder)
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
    library = _library(context.obj)
    folder = _folder(library, name)
    if folder.parent != library.own.resolve():
        raise CheckpointError(
            f"{name} is not in your own library, so it is not removed.",
            why=f"It lies in {folder.parent}.",
            next_step="Remove its folder yourself if you want it gone.",
        )
    size = _size(folder)
    if not yes and not (sys.stdin.isatty() and typer.confirm(f"Remove {folder} ({gigabytes(size)})?", err=True)):
        raise CheckpointError(f"{name} was not removed.", next_step="Say --yes to remove it without being asked.")
    grave = folder.with_name(f".removed-{folder.name}-{time.time_ns()}")
    folder.rename(grave)  # at once out of the library, however long the rest takes
    shutil.rmtree(grave, ignore_errors=True)
    if as_json:
        _print({"removed": str(folder), "bytes": size})
    else:
        typer.echo(f"Removed {name}; {gigabytes(size)} are free again.")
    return 0


@checkpoints.command("import")
def import_(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A .safetensors file, or a diffusers or OpenVINO folder.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it. [default: as the file]", show_default=False)
    ] = None,
    weights: Annotated[
        WeightFormat | None,
        typer.Option(help="How its weights are kept: needed unless the folder has OpenVINO parts.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each event.")] = False,
) -> int:
    """Bring a checkpoint into the library, converting it in a process of its own.

    If it is stopped or killed, the same command goes on where it was.
    """
    doors: Doors = context.obj
    console = Console(stderr=True)
    library = _library(doors)
    plan = plan_import(path, library.own, name)
    _tell_plan(plan, weights, console, as_json)
    with ctrl_c_heard(doors.leave) as ctrl_c:
        try:
            if as_json:
                checkpoint = run_import(plan, weights, _print_event, ctrl_c)
            else:
                checkpoint = _with_a_bar(console, lambda show: run_import(plan, weights, show, ctrl_c))
        except ImportCancelledError as stopped:
            console.print(str(stopped), markup=False, highlight=False, soft_wrap=True)
            return CANCELLED
    if as_json:
        _print({"event": "imported", "checkpoint": _report(checkpoint, library)})
    else:
        typer.echo(str(checkpoint.folder))
    return 0


def _library(doors: Doors) -> Library:
    paths = doors.paths()
    return library_for(paths, load_preferences(paths, Console(stderr=True)))


def _folder(library: Library, name: str) -> Path:
    """The folder of a checkpoint, one that is damaged included: what cannot be drawn with can still be named."""
    inside = library.own / name
    if Path(name).name == name and not name.startswith(".") and inside.is_dir():
        return inside.resolve()
    return library.find(name).folder.resolve()


def _report(checkpoint: Checkpoint, library: Library) -> dict[str, Any]:
    record = read_record(checkpoint.folder)
    return {
        "name": checkpoint.name,
        "title": checkpoint.title,
        "description": checkpoint.description,
        "kind": checkpoint.kind.value,
        "family": record.get("family"),
        "weights": record.get("weights"),
        "source": record.get("source"),
        "folder": str(checkpoint.folder),
        "bytes": _size(checkpoint.folder),
        "few_step": checkpoint.few_step,
        "has_encoder": checkpoint.has_encoder,
        "size": str(checkpoint.recommended.size),
        "steps": checkpoint.recommended.steps,
        "guidance_scale": checkpoint.recommended.guidance_scale,
        "scheduler": checkpoint.recommended.scheduler.value,
        "own": checkpoint.folder.parent == library.own,
    }


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _tell_plan(plan: ImportPlan, weights: WeightFormat | None, console: Console, as_json: bool) -> None:
    """What is coming, before it starts."""
    expected = plan.forecasts.get(weights)
    if as_json:
        forecast = asdict(expected) if expected else None
        family = plan.family.value if plan.family else None
        _print(
            {"event": "plan", "name": plan.name, "kind": plan.kind, "layout": plan.layout, "family": family}
            | {"forecast": forecast}
        )
        return
    what = plan.family.label if plan.family else plan.kind.value
    words = f"{plan.path.name}: {what}, {plan.layout.value}."
    if expected is not None:
        doing = "Copying" if plan.layout is Layout.OPENVINO else f"Converting to {weights}"
        words += (
            f" {doing} takes about {_duration(expected.seconds)}, {gigabytes(expected.memory)} of memory"
            f" and {gigabytes(expected.disk)} on the disk."
        )
    console.print(words, markup=False, highlight=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    return f"{round(seconds)} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _print(content: dict[str, Any]) -> None:
    print(json.dumps(content, ensure_ascii=False), flush=True)


def _print_event(progress: ConversionProgress) -> None:
    _print({"event": "progress", **asdict(progress)})


def _with_a_bar(console: Console, work: Callable[[Callable[[ConversionProgress], None]], Checkpoint]) -> Checkpoint:
    """Do `work` under a live bar on a screen, or with a line for each stage and every ten seconds in a log."""
    if not console.is_terminal:
        return work(_lines(console))
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with bar:
        task = bar.add_task("Starting", total=1.0)
        return work(lambda progress: bar.update(task, description=_words(progress), completed=progress.fraction))


def _lines(console: Console) -> Callable[[ConversionProgress], None]:
    shown: list[Any] = ["", 0.0]

    def show(progress: ConversionProgress) -> None:
        words, now = _words(progress), time.monotonic()
        if words != shown[0] or now - shown[1] >= _SECONDS_BETWEEN_LINES:
            shown[:] = words, now
            console.print(f"{words}… {progress.fraction:.0%}", markup=False, highlight=False, soft_wrap=True)

    return show


def _words(progress: ConversionProgress) -> str:
    part = progress.part.replace("_", " ")
    return f"{part}: {progress.stage}" if part else progress.stage.capitalize()
