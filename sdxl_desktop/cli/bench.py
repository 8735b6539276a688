"""`bench`: time every part of generation by speed and device; reported as text, JSON and a plot."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sdxl_desktop.cli.background_run import run_in_background
from sdxl_desktop.cli.bench_devices import compare_devices
from sdxl_desktop.cli.bench_measure import BenchCancelledError, DeviceTimes, Measurement, measure
from sdxl_desktop.cli.bench_plot import write_plot
from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.foreground import EXIT_CANCELLED
from sdxl_desktop.cli.generate_run import library_for, load_preferences
from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.cli.options import Options, request_from_options
from sdxl_desktop.cli.progress_display import Display
from sdxl_desktop.cli.stdout_redirect import stdout_to_stderr
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.device_benchmark import BenchmarkCancelledError
from sdxl_desktop.session.result_files import check_writable


@dataclass(frozen=True, slots=True)
class BenchResult:
    """The measurements, and the parameters they were made with."""

    checkpoint: str
    size: str
    steps: int
    scheduler: str
    precision: str
    threads: int
    devices: tuple[DeviceTimes, ...]

    @classmethod
    def of(cls, name: str, request: GenerationRequest, devices: Sequence[DeviceTimes]) -> BenchResult:
        sampling, execution = request.sampling, request.execution
        return cls(
            checkpoint=name,
            size=str(sampling.size),
            steps=sampling.steps,
            scheduler=sampling.scheduler.label,
            precision=execution.precision,
            threads=execution.threads,
            devices=tuple(devices),
        )

    @property
    def summary(self) -> str:
        """The parameters, in one line."""
        return f"{self.checkpoint}, {self.size.replace('x', ' × ')}, {self.steps} steps, {self.scheduler}"


def bench(
    context: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="A checkpoint of your library, or a folder of OpenVINO SDXL parts."),
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Size in pixels.")] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Denoising steps.")] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Where to measure; may be given several times. Default: as in your settings."
        ),
    ] = None,
    devices: Annotated[
        bool,
        typer.Option("--devices", help="Compare the devices instead: each part on each, and which are the best."),
    ] = False,
    use: Annotated[bool, typer.Option("--use", help="With --devices: write the best into your settings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    plot_file: Annotated[Path | None, typer.Option("--plot", metavar="FILE.png", help="Save it as a plot.")] = None,
) -> int:
    """Measure how long generation takes on this computer: seconds per step at each speed, encoding, decoding, and
    preparing each part on each device. With --devices: the speed of each part on each device, by default on all.

    Close other busy programs first. Omitted options use the checkpoint's recommendation.
    """
    entry_points: EntryPoints = context.obj
    console = Console(stderr=True)
    paths = entry_points.paths()
    preferences = load_preferences(paths, console)
    library = library_for(paths, preferences)
    found = library.default_checkpoint() if checkpoint is None else library.find_checkpoint(checkpoint)
    options = Options(prompt="", values={"size": size, "steps": steps, "seed": "0", "watermark": False})
    request = request_from_options(
        options, found, preferences, library.find_checkpoint, lambda note: print(note, file=sys.stderr)
    )
    if plot_file is not None:
        plot_file = plot_file.expanduser().absolute()
        check_writable(plot_file, (".png",))
    there = _devices(entry_points, device or ([] if devices else [request.execution.device]))
    try:
        if devices:
            names = [each.name for each in there]
            return compare_devices(entry_points, console, request, names, as_json=as_json, use=use)
        times = _measure_all(entry_points, console, request, there)
    except (BenchCancelledError, BenchmarkCancelledError):
        console.print("Cancelled.", highlight=False)
        return EXIT_CANCELLED
    result = BenchResult.of(found.name, request, times)
    if plot_file is not None:
        write_plot(
            plot_file, title=f"How fast {found.title} draws here", subtitle=result.summary, devices=result.devices
        )
    if as_json:
        typer.echo(json_line(asdict(result)))
    else:
        for line in _result_lines(result):
            typer.echo(line)
        if plot_file is not None:
            typer.echo(f"Plot: {plot_file}")
    return 0


def _devices(entry_points: EntryPoints, asked: Sequence[str]) -> list[Device]:
    """Return the devices with these names, or all available ones if none is given."""
    with stdout_to_stderr():
        known = {there.name: there for there in entry_points.devices()}
        names = dict.fromkeys(entry_points.device(name) for name in asked) if asked else known
    return [known.get(name, Device(name, "")) for name in names]


def _measure_all(
    entry_points: EntryPoints, console: Console, request: GenerationRequest, devices: Sequence[Device]
) -> tuple[DeviceTimes, ...]:
    def work(display: Display, cancel: threading.Event) -> tuple[DeviceTimes, ...]:
        found = []
        for device in devices:
            asked = request.execution
            precision = asked.precision_on(device.name)
            everything = Execution(device=device.name, threads=asked.threads, precision=precision)
            wanted = replace(request, execution=everything)
            measurement = Measurement(wanted, device, entry_points.paths(), cancel, display.show)
            found.append(measure(measurement, entry_points.engine, _speed_announcer(display, device)))
        return tuple(found)

    return run_in_background(entry_points, console, work)


def _speed_announcer(display: Display, device: Device) -> Callable[[SpeedPreset], None]:
    return lambda speed: display.print_message(f"{device.name}, {speed.label.lower()}")


def _result_lines(result: BenchResult) -> list[str]:
    lines = [f"{result.summary}."]
    for times in result.devices:
        lines += ["", Device(times.device, times.full_name).label]
        rows = [("load the checkpoint", times.load, "")]
        rows += [(part.title, part.seconds, "compiled" if part.compiled else "from the cache") for part in times.parts]
        rows += [("encode the prompt", times.encode, ""), ("decode the picture", times.decode, "")]
        rows += [
            (f"a step, {each.speed}", each.seconds_per_step, _of_exact(times, each.speed)) for each in times.speeds
        ]
        rows += [(f"a picture, {each.speed}", each.picture, "") for each in times.speeds]
        width = max(len(title) for title, _, _ in rows)
        lines += [f"  {title:<{width}}  {seconds:>9.3f} s  {note}".rstrip() for title, seconds, note in rows]
    return lines


def _of_exact(times: DeviceTimes, speed: str) -> str:
    seconds = {each.speed: each.seconds_per_step for each in times.speeds}
    exact = seconds[SpeedPreset.EXACT.value]
    return "" if speed == SpeedPreset.EXACT.value or exact <= 0 else f"{seconds[speed] / exact:.0%} of exact"
