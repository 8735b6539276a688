"""`checkpoints import`: imports a path, a known checkpoint, a hub id or a URL, converted as requested."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.foreground import EXIT_CANCELLED, catch_ctrl_c
from sdxl_desktop.cli.generate_run import library_for, load_preferences
from sdxl_desktop.cli.job_progress import ProgressFormat, Show, duration, print_json, print_message, run_with_progress
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.library.convert.resource_estimate import format_bytes
from sdxl_desktop.library.convert.run_import import ImportCancelledError
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.hub_errors import DownloadCancelledError
from sdxl_desktop.library.import_record import read_import_record
from sdxl_desktop.library.importer.import_preview import ImportPreview, preview_import
from sdxl_desktop.library.importer.import_progress import ImportProgress
from sdxl_desktop.library.importer.importing import ImportResult, check_weight_format, import_model
from sdxl_desktop.library.inventory import folder_size
from sdxl_desktop.library.scan import Library


def import_checkpoint(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="PATH|ID|URL",
            help='A .safetensors file, a diffusers or OpenVINO folder, a known name ("sdxl-base"), an id on the hub '
            '("owner/name") or the URL of a page there.',
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="What to call it. [default: as the file]", show_default=False)
    ] = None,
    weights: Annotated[
        WeightFormat | None,
        typer.Option(help="How its weights are kept: needed unless it has OpenVINO parts.", show_default=False),
    ] = None,
    openvino: Annotated[
        bool, typer.Option("--openvino", help="Where the hub has both, take the ready-made OpenVINO parts.")
    ] = False,
    keep_download: Annotated[
        bool, typer.Option("--keep-download", help="Keep what was downloaded after it is converted.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each event.")] = False,
) -> int:
    """Import a checkpoint into the library: download it if needed, and convert it in a separate process.

    If it is stopped or killed, the same command resumes it.
    """
    entry_points: EntryPoints = context.obj
    console = Console(stderr=True)
    library = library_of(entry_points)
    with catch_ctrl_c(entry_points.exit_process) as ctrl_c:
        try:
            offer = preview_import(what, library, name=name, openvino=openvino, cancel=ctrl_c)
            _print_preview(offer, weights, console, as_json)
            check_weight_format(offer, weights)

            def work(show: Show[ImportProgress]) -> ImportResult:
                return import_model(offer, weights, library, show, ctrl_c, keep_download=keep_download)

            brought = run_with_progress(work, _PROGRESS_FORMAT, console, as_json=as_json)
        except (ImportCancelledError, DownloadCancelledError) as stopped:
            print_message(console, str(stopped))
            return EXIT_CANCELLED
    _print_result(brought, library, console, as_json)
    return 0


def library_of(entry_points: EntryPoints) -> Library:
    """Return the user's library, as configured in the settings."""
    paths = entry_points.paths()
    return library_for(paths, load_preferences(paths, Console(stderr=True)))


def report(checkpoint: Checkpoint, library: Library) -> dict[str, Any]:
    """Return the JSON description of a checkpoint."""
    record = read_import_record(checkpoint.folder)
    return {
        "name": checkpoint.name,
        "title": checkpoint.title,
        "description": checkpoint.description,
        "kind": checkpoint.kind.value,
        "family": record.get("family"),
        "weights": record.get("weights"),
        "source": record.get("source"),
        "folder": str(checkpoint.folder),
        "bytes": folder_size(checkpoint.folder),
        "few_step": checkpoint.is_few_step,
        "has_encoder": checkpoint.has_vae_encoder,
        "size": str(checkpoint.recommended.size),
        "steps": checkpoint.recommended.steps,
        "guidance_scale": checkpoint.recommended.guidance_scale,
        "scheduler": checkpoint.recommended.scheduler.value,
        "prediction_type": checkpoint.noise_schedule.prediction_type,
        "zero_terminal_snr": checkpoint.noise_schedule.zero_terminal_snr,
        "timestep_spacing": None if checkpoint.noise_schedule.edm else checkpoint.noise_schedule.timestep_spacing,
        "edm": checkpoint.noise_schedule.edm,
        "own": checkpoint.folder.parent == library.user_folder,
    }


def _print_preview(offer: ImportPreview, weights: WeightFormat | None, console: Console, as_json: bool) -> None:
    """Print what will be imported."""
    expected = offer.estimates.get(weights)
    if as_json:
        return print_json(_preview_report(offer, weights))
    words = f"{offer.title}: {offer.family.label if offer.family else offer.kind or 'unknown until downloaded'}."
    if offer.listing is not None:
        words += f" Licence: {offer.licence or 'none is stated'} ({offer.listing.page})."
        missing = offer.download_bytes_for(weights) - offer.downloaded_bytes_for(weights)
        words += f" {format_bytes(missing)} are to be downloaded."
    if offer.required_titles:
        words += f" Parts of {', '.join(offer.required_titles)} come with it."
    words += "".join(f" {note}" for note in offer.notes)
    if expected is not None and weights is not None:
        words += (
            f" Converting to {weights} takes about {duration(expected.seconds)}, {format_bytes(expected.memory)} of"
            f" memory and {format_bytes(expected.disk)} on the disk."
        )
    return print_message(console, words)


def _preview_report(offer: ImportPreview, weights: WeightFormat | None) -> dict[str, Any]:
    expected = offer.estimates.get(weights)
    return {
        "event": "plan",
        "name": offer.name,
        "title": offer.title,
        "kind": offer.kind,
        "family": offer.family,
        "licence": offer.licence or None,
        "gated": offer.gated,
        "download_bytes": offer.download_bytes_for(weights),
        "kept_bytes": offer.downloaded_bytes_for(weights),
        "needs": list(offer.required_titles),
        "notes": list(offer.notes),
        "suggested": offer.suggested_format,
        "forecast": asdict(expected) if expected is not None else None,
        "forecasts": {str(choice or "as it is"): asdict(about) for choice, about in offer.estimates.items()},
    }


def _print_result(brought: ImportResult, library: Library, console: Console, as_json: bool) -> None:
    """Print the result and what to do next."""
    if not as_json:
        print_message(console, brought.message)
        typer.echo(str(brought.path))
    elif brought.checkpoint is not None:
        print_json({"event": "imported", "checkpoint": report(brought.checkpoint, library)})
    else:
        print_json({"event": "placed", "path": str(brought.path), "next_step": brought.message})


def _describe(progress: ImportProgress) -> str:
    words = _topic(progress) if progress.what else progress.stage.capitalize()
    return f"{words}, {duration(progress.seconds_left)} left" if progress.seconds_left is not None else words


def _topic(progress: ImportProgress) -> str:
    return f"{progress.what}: {progress.stage}"


_PROGRESS_FORMAT = ProgressFormat(describe=_describe, topic=_topic)
