"""`checkpoints import`: brings a path, a known checkpoint, a hub id or a URL into the library, converted as asked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from sdxl_desktop.cli.doors import Doors
from sdxl_desktop.cli.draw import library_for, load_preferences
from sdxl_desktop.cli.foreground import CANCELLED, ctrl_c_heard
from sdxl_desktop.cli.jobs import Look, Show, duration, followed, print_json, say
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.library.bring.bringing import Brought, bring, check_choice
from sdxl_desktop.library.bring.offers import Offer, look_up
from sdxl_desktop.library.bring.progress import BringProgress
from sdxl_desktop.library.convert.forecast import gigabytes
from sdxl_desktop.library.convert.running import ImportCancelledError
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.holdings import bytes_in
from sdxl_desktop.library.hub.errors import DownloadStoppedError
from sdxl_desktop.library.records import read_record
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
    """Bring a checkpoint into the library: download it where it is not here, and convert it in a process of its own.

    If it is stopped or killed, the same command goes on where it was.
    """
    doors: Doors = context.obj
    console = Console(stderr=True)
    library = library_of(doors)
    with ctrl_c_heard(doors.leave) as ctrl_c:
        try:
            offer = look_up(what, library, name=name, openvino=openvino, cancel=ctrl_c)
            _tell_offer(offer, weights, console, as_json)
            check_choice(offer, weights)

            def work(show: Show[BringProgress]) -> Brought:
                return bring(offer, weights, library, show, ctrl_c, keep_download=keep_download)

            brought = followed(work, _LOOK, console, as_json=as_json)
        except (ImportCancelledError, DownloadStoppedError) as stopped:
            say(console, str(stopped))
            return CANCELLED
    _tell_end(brought, library, console, as_json)
    return 0


def library_of(doors: Doors) -> Library:
    """The person's library, as the settings have it."""
    paths = doors.paths()
    return library_for(paths, load_preferences(paths, Console(stderr=True)))


def report(checkpoint: Checkpoint, library: Library) -> dict[str, Any]:
    """What is told of a checkpoint in JSON."""
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
        "bytes": bytes_in(checkpoint.folder),
        "few_step": checkpoint.few_step,
        "has_encoder": checkpoint.has_encoder,
        "size": str(checkpoint.recommended.size),
        "steps": checkpoint.recommended.steps,
        "guidance_scale": checkpoint.recommended.guidance_scale,
        "scheduler": checkpoint.recommended.scheduler.value,
        "prediction_type": checkpoint.noise.prediction_type,
        "zero_terminal_snr": checkpoint.noise.zero_terminal_snr,
        "timestep_spacing": None if checkpoint.noise.edm else checkpoint.noise.timestep_spacing,
        "edm": checkpoint.noise.edm,
        "own": checkpoint.folder.parent == library.own,
    }


def _tell_offer(offer: Offer, weights: WeightFormat | None, console: Console, as_json: bool) -> None:
    """What is coming, before it starts."""
    expected = offer.forecasts.get(weights)
    if as_json:
        return print_json(_offer_report(offer, weights))
    words = f"{offer.title}: {offer.family.label if offer.family else offer.kind or 'not known before it is here'}."
    if offer.listing is not None:
        words += f" Licence: {offer.licence or 'none is stated'} ({offer.listing.page})."
        words += f" {gigabytes(offer.bytes_for(weights) - offer.kept_for(weights))} are to be downloaded."
    if offer.needs:
        words += f" Parts of {', '.join(offer.needs)} come with it."
    words += "".join(f" {note}" for note in offer.notes)
    if expected is not None and weights is not None:
        words += (
            f" Converting to {weights} takes about {duration(expected.seconds)}, {gigabytes(expected.memory)} of"
            f" memory and {gigabytes(expected.disk)} on the disk."
        )
    return say(console, words)


def _offer_report(offer: Offer, weights: WeightFormat | None) -> dict[str, Any]:
    expected = offer.forecasts.get(weights)
    return {
        "event": "plan",
        "name": offer.name,
        "title": offer.title,
        "kind": offer.kind,
        "family": offer.family,
        "licence": offer.licence or None,
        "gated": offer.gated,
        "download_bytes": offer.bytes_for(weights),
        "kept_bytes": offer.kept_for(weights),
        "needs": list(offer.needs),
        "notes": list(offer.notes),
        "suggested": offer.suggested,
        "forecast": asdict(expected) if expected is not None else None,
        "forecasts": {str(choice or "as it is"): asdict(about) for choice, about in offer.forecasts.items()},
    }


def _tell_end(brought: Brought, library: Library, console: Console, as_json: bool) -> None:
    """Where it is, and what to do with it."""
    if not as_json:
        say(console, brought.words)
        typer.echo(str(brought.path))
    elif brought.checkpoint is not None:
        print_json({"event": "imported", "checkpoint": report(brought.checkpoint, library)})
    else:
        print_json({"event": "placed", "path": str(brought.path), "next_step": brought.words})


def _words(progress: BringProgress) -> str:
    words = _topic(progress) if progress.what else progress.stage.capitalize()
    return f"{words}, {duration(progress.seconds_left)} left" if progress.seconds_left is not None else words


def _topic(progress: BringProgress) -> str:
    return f"{progress.what}: {progress.stage}"


_LOOK = Look(words=_words, topic=_topic)
