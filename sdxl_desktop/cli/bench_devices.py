"""`bench --devices`: time every part on every device, as a table, and determine the best devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from threading import Event as Flag

import typer
from rich.console import Console

from sdxl_desktop.cli.background_run import progress_handler, run_in_background
from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.cli.progress_display import Display
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.device_times import (
    GROUP_LABELS,
    DeviceTimings,
    PartTiming,
    best_devices,
    preferences_with_devices,
    timings_file,
    write_timings,
)
from sdxl_desktop.session.settings_store import SettingsStore


def compare_devices(
    entry_points: EntryPoints,
    console: Console,
    request: GenerationRequest,
    devices: Sequence[str],
    *,
    as_json: bool,
    use: bool,
) -> int:
    """Measure, store the result for Automatic, print it, and with `use` write the best devices to the settings."""
    paths = entry_points.paths()

    def work(display: Display, cancel: Flag) -> DeviceTimings:
        bench = entry_points.device_benchmark(paths)
        try:
            size, execution = request.sampling.size, request.execution
            return bench.measure(request.checkpoint, size, devices, execution, progress_handler(display), cancel)
        finally:
            bench.close()

    table = run_in_background(entry_points, console, work)
    write_timings(timings_file(paths), table)
    best = best_devices(table)
    if use:
        _save_devices(paths, best)
    if as_json:
        typer.echo(json_line({**asdict(table), "best": best}))
    else:
        for line in _table_lines(table, best, used=use):
            typer.echo(line)
    return 0


def _save_devices(paths: AppPaths, best: dict[str, str]) -> None:
    store = SettingsStore(paths.settings_file)
    settings, _ = store.load()
    store.save(replace(settings, preferences=preferences_with_devices(settings.preferences, best)))


def _table_lines(table: DeviceTimings, best: dict[str, str], *, used: bool) -> list[str]:
    lines = [f"{table.checkpoint}, {table.size.replace('x', ' × ')}."]
    width = max((len(_part(row)) for row in table.rows), default=0)
    for device in dict.fromkeys(row.device for row in table.rows):
        lines += ["", device]
        for row in table.rows:
            if row.device == device:
                lines.append(f"  {_part(row):<{width}}  {_cell(row)}")
    lines.append("")
    lines += [f"Fastest for the {GROUP_LABELS[group]}: {device}." for group, device in best.items()]
    lines.append("Written into your settings." if used else "--use writes this into your settings.")
    return lines


def _part(row: PartTiming) -> str:
    return row.part.replace("_", " ").replace("vae", "VAE").replace("unet", "UNet, guided step")


def _cell(row: PartTiming) -> str:
    if row.milliseconds is None or row.first_seconds is None:
        return row.problem
    how = "compiled" if row.compiled else "from the cache"
    return f"{row.milliseconds:>10.1f} ms   ready in {row.first_seconds:.1f} s, {how}"
