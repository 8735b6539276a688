"""`cache prepare`: compiles a checkpoint's parts before they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from typing import Any

import typer
from rich.console import Console

from sdxl_desktop.cli.background_run import progress_handler, run_in_background
from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.foreground import EXIT_CANCELLED
from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.cli.progress_display import Display
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.device_benchmark import BenchmarkCancelledError, PrecompileResult, not_kept


@dataclass(frozen=True, slots=True)
class CompileRequest:
    """What to compile, and for which devices."""

    checkpoint: Path
    title: str
    sizes: Sequence[Size]
    speeds: Sequence[SpeedPreset]
    execution: Execution


def prepare(entry_points: EntryPoints, wanted: CompileRequest, *, as_json: bool) -> int:
    """Compile and report the result; return the exit code. Raises errors of the checkpoint or device."""
    console = Console(stderr=True)

    def work(display: Display, cancel: Flag) -> PrecompileResult:
        bench = entry_points.device_benchmark(entry_points.paths())
        try:
            return bench.precompile(
                wanted.checkpoint, wanted.sizes, wanted.speeds, wanted.execution, progress_handler(display), cancel
            )
        finally:
            bench.close()

    try:
        made = run_in_background(entry_points, console, work)
    except BenchmarkCancelledError:
        console.print("Cancelled.", highlight=False)
        return EXIT_CANCELLED
    if as_json and made.is_cached:
        typer.echo(json_line(_report(made)))
        return 0
    for entry in made.compiled_entries:
        took = "" if entry.compile_seconds is None else f", {entry.compile_seconds:.1f} s"
        shape = "every size" if entry.shape == "dynamic" else entry.shape
        typer.echo(f"Compiled {entry.part.replace('_', ' ')} for {entry.device}, {shape}{took}.")
    if not made.is_cached:
        raise not_kept(wanted.title, entry_points.paths().compiled)
    if not made.compiled_entries:
        typer.echo(f"Everything of {wanted.title} was compiled already.")
    if not made.has_fixed_shapes and len(wanted.sizes) > 1:
        typer.echo("What is compiled for this device serves every size.")
    return 0


def _report(made: PrecompileResult) -> dict[str, Any]:
    return {
        "seconds": round(made.seconds, 3),
        "fixed": made.has_fixed_shapes,
        "made": [
            {"part": entry.part, "device": entry.device, "shape": entry.shape, "seconds": entry.compile_seconds}
            for entry in made.compiled_entries
        ],
    }
