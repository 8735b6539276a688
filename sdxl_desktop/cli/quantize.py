"""`checkpoints quantize` and `checkpoints compare`: smaller checkpoints, and a measure of their quality loss."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.foreground import EXIT_CANCELLED, catch_ctrl_c
from sdxl_desktop.cli.generate_run import library_for, load_preferences
from sdxl_desktop.cli.job_progress import ProgressFormat, duration, print_json, print_message, run_with_progress
from sdxl_desktop.cli.options import Options, request_from_options
from sdxl_desktop.cli.progress_display import Display, display_for
from sdxl_desktop.cli.stdout_redirect import stdout_to_stderr
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.process.process_engine import ProcessEngine
from sdxl_desktop.library.convert.resource_estimate import format_bytes
from sdxl_desktop.library.quantize.calibration import DEFAULT_SAMPLES, Calibration
from sdxl_desktop.library.quantize.calibration_prompts import pick_evenly, read_prompts
from sdxl_desktop.library.quantize.compare_checkpoints import ComparisonProgress, compare_checkpoints
from sdxl_desktop.library.quantize.comparison_report import summary, table
from sdxl_desktop.library.quantize.comparison_result import CheckpointComparison
from sdxl_desktop.library.quantize.quantization_errors import ComparisonCancelledError, QuantizationCancelledError
from sdxl_desktop.library.quantize.quantization_job import QuantizationProgress
from sdxl_desktop.library.quantize.quantization_method import QuantizationMethod
from sdxl_desktop.library.quantize.quantization_plan import QuantizationPlan, plan_quantization
from sdxl_desktop.library.quantize.run_quantization import run_quantization
from sdxl_desktop.session.checkpoint_jobs import unused_name

_COMPARISON_PROMPTS = 4

_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
_Prompts = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Prompts, one a line. Default: those that come with the app.")
]
_Steps = Annotated[int | None, typer.Option(metavar="N", help="Denoising steps. Default: the checkpoint's own.")]
_Guidance = Annotated[float | None, typer.Option(metavar="X", help="Guidance scale. Default: the checkpoint's own.")]
_Size = Annotated[str | None, typer.Option(metavar="WxH", help="Size in pixels. Default: the checkpoint's own.")]


def register(checkpoints: typer.Typer) -> None:
    """Add both commands to `checkpoints`."""
    checkpoints.command("quantize")(quantize)
    checkpoints.command("compare")(compare_)


def quantize(
    context: typer.Context,
    checkpoint: Annotated[str, typer.Argument(metavar="NAME", help="A checkpoint in fp16 or fp32, or its folder.")],
    method: Annotated[
        QuantizationMethod,
        typer.Option(help="int8, int4: weights only. hybrid, full: activations too, learned from sample pictures."),
    ],
    name: Annotated[str | None, typer.Option(help="What to call the new one. [default: NAME-METHOD]")] = None,
    prompts: _Prompts = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help=f"UNet evaluations to calibrate with. [default: {DEFAULT_SAMPLES}]")
    ] = None,
    steps: _Steps = None,
    guidance: _Guidance = None,
    size: _Size = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each event.")] = False,
) -> int:
    """Make a smaller or faster checkpoint from one in your library, which is not changed.

    hybrid and full generate calibration pictures first, which takes long. If it is stopped or killed, the same command
    resumes it. To see the quality loss: checkpoints compare
    """
    entry_points: EntryPoints = context.obj
    console = Console(stderr=True)
    paths = entry_points.paths()
    library = library_for(paths, load_preferences(paths, console))
    source = library.find_checkpoint(checkpoint)
    given = {"prompts": prompts, "samples": samples, "steps": steps, "guidance": guidance, "size": size}
    calibration = None
    if method.needs_calibration:
        calibration = Calibration.for_checkpoint(
            source,
            read_prompts(prompts),
            samples=DEFAULT_SAMPLES if samples is None else samples,
            steps=steps,
            guidance_scale=guidance,
            size=Size.parse(size) if size else None,
        )
    elif useless := [f"--{option}" for option, value in given.items() if value is not None]:
        raise RequestError(
            f"{' and '.join(useless)} cannot be used with {method}.",
            why="Only weights are rounded: nothing is drawn.",
            next_step="Leave it out, or choose hybrid or full.",
        )
    plan = plan_quantization(source, library.user_folder, method, name, calibration)
    _print_plan(plan, console, as_json)
    with catch_ctrl_c(entry_points.exit_process) as ctrl_c:
        try:
            made = run_with_progress(
                lambda show: run_quantization(plan, show, ctrl_c), _PROGRESS_FORMAT, console, as_json=as_json
            )
        except QuantizationCancelledError as stopped:
            print_message(console, str(stopped))
            return EXIT_CANCELLED
    if as_json:
        print_json({"event": "quantized", "checkpoint": {"name": made.name, "folder": str(made.folder)}})
    else:
        typer.echo(str(made.folder))
    return 0


def compare_(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help="A checkpoint's name, or its folder.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another's.")],
    prompts: _Prompts = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Pictures of each prompt.")] = 1,
    size: _Size = None,
    steps: _Steps = None,
    guidance: _Guidance = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where to. [default: comparison-A-B, numbered]"),
    ] = None,
    as_json: _Json = False,
) -> int:
    """Generate the same pictures with two checkpoints, and show them side by side with their cost.

    Writes a sheet for each prompt and a page into a folder. Omitted options use A's recommendation; without prompts,
    four of those that come with the app are used.
    """
    entry_points: EntryPoints = context.obj
    console = Console(stderr=True)
    paths = entry_points.paths()
    preferences = load_preferences(paths, console)
    library = library_for(paths, preferences)
    one, other = library.find_checkpoint(first), library.find_checkpoint(second)
    words = read_prompts(prompts) if prompts else pick_evenly(read_prompts(), _COMPARISON_PROMPTS)
    values = {"size": size, "steps": steps, "guidance": guidance, "count": seeds, "speed": SpeedPreset.EXACT.value}
    options = Options(prompt="", values={**values, "seed": "0", "watermark": False})
    request = request_from_options(
        options, one, preferences, library.find_checkpoint, lambda note: print(note, file=sys.stderr)
    )
    folder = (output or Path(unused_name(f"comparison-{one.name}-{other.name}", Path.cwd()))).expanduser().absolute()
    with stdout_to_stderr(), display_for(console) as display, catch_ctrl_c(entry_points.exit_process) as ctrl_c:
        try:
            found = compare_checkpoints(
                one,
                other,
                request,
                words,
                folder,
                open_engine=lambda: ProcessEngine(paths),
                on_progress=_comparison_progress_handler(display),
                cancel=ctrl_c,
            )
        except ComparisonCancelledError as stopped:
            display.print_message(str(stopped))
            return EXIT_CANCELLED
    if as_json:
        print_json(found.to_json())
    else:
        _print_comparison(found)
    return 0


def _comparison_progress_handler(display: Display) -> Callable[[ComparisonProgress], None]:
    shown: list[int] = []

    def show(progress: ComparisonProgress) -> None:
        if shown != [progress.number]:
            shown[:] = [progress.number]
            display.print_message(f"{progress.checkpoint}, {progress.number + 1} of {progress.total}")
        display.show(progress.progress)

    return show


def _print_comparison(found: CheckpointComparison) -> None:
    typer.echo(found.settings)
    typer.echo(summary(found))
    rows = [("", found.first.name, found.second.name), *table(found.first, found.second)]
    head, middle = (max(len(row[place]) for row in rows) for place in (0, 1))
    for one, two, three in rows:
        typer.echo(f"{one:<{head}}  {two:<{middle}}  {three}".rstrip())
    typer.echo(str(found.page))


def _print_plan(plan: QuantizationPlan, console: Console, as_json: bool) -> None:
    """Print what will be made."""
    calibration = plan.calibration.to_record() if plan.calibration else None
    if as_json:
        about = {"name": plan.name, "source": plan.source.name, "method": plan.method.value}
        print_json({"event": "plan", **about, "calibration": calibration, "forecast": asdict(plan.forecast)})
        return
    expected = plan.forecast
    words = f"{plan.source.name}, {plan.method.label}."
    if plan.calibration is not None:
        count = len(plan.calibration.picture_prompts)
        words += (
            f" {count} sample picture{'s' if count != 1 else ''} of {plan.calibration.size} at"
            f" {plan.calibration.steps} steps and guidance {plan.calibration.guidance_scale:g} will be drawn."
        )
    words += (
        f" This takes about {duration(expected.seconds)}, {format_bytes(expected.memory)} of memory"
        f" and {format_bytes(expected.disk)} on the disk."
    )
    print_message(console, words)


def _describe(progress: QuantizationProgress) -> str:
    part = progress.part.replace("_", " ")
    return f"{part}: {progress.phase}" if part else progress.phase.capitalize()


_PROGRESS_FORMAT = ProgressFormat(describe=_describe, topic=_describe)
