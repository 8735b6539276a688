"""`cache prepare`: compiles a checkpoint's parts ahead of being needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from typing import Any

import typer
from rich.console import Console

from sdxl_desktop.cli.doors import Doors
from sdxl_desktop.cli.foreground import CANCELLED
from sdxl_desktop.cli.progress import Display
from sdxl_desktop.cli.report import json_line
from sdxl_desktop.cli.watched import progress_shown, watched
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.workbench import Prepared, StoppedError, not_kept


@dataclass(frozen=True, slots=True)
class Preparation:
    """What to compile, and for where."""

    checkpoint: Path
    title: str
    sizes: Sequence[Size]
    speeds: Sequence[Speed]
    execution: Execution


def prepare(doors: Doors, wanted: Preparation, *, as_json: bool) -> int:
    """Compile it and say what was made; returns the exit code. Raises what is wrong with checkpoint or device."""
    console = Console(stderr=True)

    def work(display: Display, cancel: Flag) -> Prepared:
        bench = doors.workbench(doors.paths())
        try:
            return bench.prepare(
                wanted.checkpoint, wanted.sizes, wanted.speeds, wanted.execution, progress_shown(display), cancel
            )
        finally:
            bench.close()

    try:
        made = watched(doors, console, work)
    except StoppedError:
        console.print("Cancelled.", highlight=False)
        return CANCELLED
    if as_json and made.kept:
        typer.echo(json_line(_report(made)))
        return 0
    for entry in made.made:
        took = "" if entry.seconds is None else f", {entry.seconds:.1f} s"
        shape = "every size" if entry.shape == "dynamic" else entry.shape
        typer.echo(f"Compiled {entry.part.replace('_', ' ')} for {entry.device}, {shape}{took}.")
    if not made.kept:
        raise not_kept(wanted.title, doors.paths().compiled)
    if not made.made:
        typer.echo(f"Everything of {wanted.title} was compiled already.")
    if not made.fixed and len(wanted.sizes) > 1:
        typer.echo("What is compiled for this device serves every size.")
    return 0


def _report(made: Prepared) -> dict[str, Any]:
    return {
        "seconds": round(made.seconds, 3),
        "fixed": made.fixed,
        "made": [
            {"part": entry.part, "device": entry.device, "shape": entry.shape, "seconds": entry.seconds}
            for entry in made.made
        ],
    }
