"""`generate --x --y --z`: draws a grid of pictures, keeps each, and composes one labelled picture of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.foreground import EXIT_CANCELLED
from sdxl_desktop.cli.generate_run import absolute, fallback_folders, prepare_request, print_message
from sdxl_desktop.cli.history_recording import ForegroundHistory
from sdxl_desktop.cli.json_report import json_line, request_report
from sdxl_desktop.cli.options import Options
from sdxl_desktop.cli.planned_runs import PlannedDrawing, PlannedRun
from sdxl_desktop.core.errors import OutputError, RequestError, describe_error
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.file_names import slugify
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.core.request import MAX_SEED, GenerationRequest
from sdxl_desktop.metadata.picture_files import create_record
from sdxl_desktop.session.grid_composition import grid_picture
from sdxl_desktop.session.grid_recording import new_grid_picture, record_grid
from sdxl_desktop.session.request_grid import GridAxis, GridCell, grid_cells, parse_axis
from sdxl_desktop.session.request_key import request_key
from sdxl_desktop.session.result_files import check_writable, save_pixels
from sdxl_desktop.session.run_progress import RunProgress

PROGRESS_FILE = "grid-progress.jsonl"


def run_grid(
    entry_points: EntryPoints,
    options: Options,
    axes: Sequence[str],
    *,
    checkpoint: str | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """Draw the grid of `axes` ("NAME=VALUES") and report; return the exit code. Pictures of the same grid that exist
    already are kept. Raises SdxlDesktopError for errors found before generation starts."""
    console = Console(stderr=True)
    parsed = [parse_axis(text) for text in axes]
    if options.latents_out is not None:
        raise RequestError("A grid keeps no latents.", next_step="Leave out --latents-out, or draw a single picture.")
    prepared = prepare_request(entry_points, options, checkpoint, console)
    paths, base = prepared.paths, prepared.request.of_picture(0)
    target = absolute(output or Path(f"{slugify(base.prompts.prompt, 'picture')}-grid.png"))
    check_writable(target)
    folder = target.with_name(f"{target.stem}-pictures")
    _make_folder(folder)
    progress = RunProgress(folder / PROGRESS_FILE)
    key = _grid_key(options, base)
    base = _with_seed_of_earlier(base, key, progress)
    cells = grid_cells(
        base,
        parsed,
        prepared.library.find_checkpoint,
        prepared.lookup,
        leave_out_unknown_loras=options.ignore_unknown_loras,
    )
    runs = [_planned(cell, f"{key}-{base.sampling.seed}", parsed, folder) for cell in cells]
    print_message(console, f"A grid of {len(runs)} pictures. Seed {base.sampling.seed}")
    drawing = PlannedDrawing(
        entry_points, paths, progress, fallback_folders(paths, prepared.preferences), console, as_json
    )
    counts = drawing.draw(runs)
    if counts.cancelled:
        print_message(console, f"Cancelled: {counts.drawn} drawn. The same command goes on.")
        return EXIT_CANCELLED
    done = ((cell, progress.finished.get(run.key)) for cell, run in zip(cells, runs, strict=True))
    files = {cell.place: folder / finished.file for cell, finished in done if finished is not None}
    pixels = grid_picture(parsed, files, base.sampling.size, resources_folder() / "fonts")
    save_pixels(pixels, target)
    with ForegroundHistory(paths.history) as history:
        record = create_record(Picture(pixels=pixels, seed=base.sampling.seed), base)
        grid = new_grid_picture(
            target, pixels, record, prompt=base.prompts.prompt, checkpoint_title=prepared.checkpoint.title
        )
        history.write(
            lambda opened: record_grid(opened, grid, files.values()), lambda error: print_message(console, str(error))
        )
    if as_json:
        print(json_line({"grid": str(target), "request": request_report(base, prepared.checkpoint)}), flush=True)
    else:
        print(target, flush=True)
    return 1 if counts.failed else 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(
            f"The folder {folder} for the grid's pictures cannot be made.",
            why=describe_error(problem),
            next_step="Choose another place with --output.",
        ) from problem


def _grid_key(options: Options, base: GenerationRequest) -> str:
    """Return a hash of everything that makes the grid's pictures except the axes, and a seed that was not given."""
    seed = base.sampling.seed if options.values.get("seed") not in (None, "", "-1", "random") else 0
    return request_key(replace(base, sampling=replace(base.sampling, seed=seed, count=1)))


def _with_seed_of_earlier(base: GenerationRequest, key: str, progress: RunProgress) -> GenerationRequest:
    """Return `base` with the seed that an interrupted run of the same grid began with."""
    for name in progress.finished:
        grid, _, rest = name.partition("-")
        seed = rest.partition("-")[0]
        if grid == key and seed.isdecimal() and int(seed) <= MAX_SEED:
            return replace(base, sampling=replace(base.sampling, seed=int(seed)))
    return base


def _planned(cell: GridCell, key: str, axes: Sequence[GridAxis], folder: Path) -> PlannedRun:
    values = {axis.parameter.name: axis.values[place] for axis, place in zip(axes, cell.place, strict=True)}
    name = "-".join(f"{place + 1:02}" for place in cell.place)
    title = ", ".join(axis.label(axis.values[place]) for axis, place in zip(axes, cell.place, strict=True))
    own = hashlib.sha256(json.dumps(values, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return PlannedRun(f"{key}-{own}", title, folder / f"{name}.png", lambda: cell.request, {"cell": values})
