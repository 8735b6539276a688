"""`checkpoints download`: downloads a known checkpoint, a hub id or a URL, and resumes if interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.foreground import EXIT_CANCELLED, catch_ctrl_c
from sdxl_desktop.cli.generate_run import library_for, load_preferences
from sdxl_desktop.cli.job_progress import ProgressFormat, line_printer, print_json, print_message, run_with_progress
from sdxl_desktop.library.catalogue import CatalogueEntry, CatalogueKind, find_entry
from sdxl_desktop.library.checkpoint_names import check_name_unused, make_valid_name
from sdxl_desktop.library.convert.resource_estimate import format_bytes
from sdxl_desktop.library.hub.download_job import DownloadPhase, DownloadProgress, Emit
from sdxl_desktop.library.hub.hub_address import HubAddress, parse_address
from sdxl_desktop.library.hub.hub_connection import (
    Downloaded,
    HubConnection,
    count_unfinished_bytes,
    download,
    list_hub_files,
)
from sdxl_desktop.library.hub.hub_errors import DownloadCancelledError
from sdxl_desktop.library.hub.install import download_destination, install_download, is_ready_to_use
from sdxl_desktop.library.hub.remote_files import DownloadLayout, HubListing


@dataclass(frozen=True, slots=True)
class _DownloadTarget:
    """What to download and where to; `library_folder` is the user's library."""

    address: HubAddress
    entry: CatalogueEntry | None
    openvino: bool
    name: str
    library_folder: Path

    @property
    def folder(self) -> Path:
        return download_destination(self.library_folder, self.name)


def download_checkpoint(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID", help='A known name ("sdxl-base"), an id on the hub ("owner/name") or the URL of a page there.'
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="What to call it. [default: as it is called there]", show_default=False)
    ] = None,
    openvino: Annotated[
        bool, typer.Option("--openvino", help="Where there are both, take the ready-made OpenVINO parts.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each event.")] = False,
) -> int:
    """Download a checkpoint from the Hugging Face hub.

    If it is stopped or killed, the same command resumes it. HF_ENDPOINT names a mirror, HF_TOKEN a token for
    huggingface.co (SDXL_DESKTOP_TOKEN_HOST: for that host instead); ALL_PROXY and similar variables are respected.
    """
    entry_points: EntryPoints = context.obj
    console = Console(stderr=True)
    wanted = _resolve_target(entry_points, what, name, openvino, console)
    with catch_ctrl_c(entry_points.exit_process) as ctrl_c:
        line = HubConnection.default()
        show = line_printer(_PROGRESS_FORMAT, console, as_json=as_json)
        try:
            listing = list_hub_files(wanted.address, show, ctrl_c, openvino=wanted.openvino, connection=line)
            if listing.layout is DownloadLayout.OPENVINO:
                check_name_unused(wanted.name, wanted.library_folder)
            _print_plan(wanted, listing, line, console, as_json)

            def work(emit: Emit) -> Downloaded:
                return download(wanted.address, listing, wanted.folder, emit, ctrl_c, connection=line)

            done = run_with_progress(work, _PROGRESS_FORMAT, console, as_json=as_json)
        except DownloadCancelledError as stopped:
            print_message(console, str(stopped))
            return EXIT_CANCELLED
    _print_result(wanted, done, console, as_json)
    return 0


def _resolve_target(
    entry_points: EntryPoints, what: str, name: str | None, openvino: bool, console: Console
) -> _DownloadTarget:
    paths = entry_points.paths()
    entry = find_entry(what)
    address = entry.address if entry is not None else parse_address(what)
    home = library_for(paths, load_preferences(paths, console)).user_folder
    chosen = name or make_valid_name(entry.id if entry is not None else address.name)
    download_destination(home, chosen)  # raises for an invalid name before any request
    ready_made = entry is not None and entry.openvino is not None
    return _DownloadTarget(address, entry, openvino or ready_made, chosen, home)


def _print_plan(
    wanted: _DownloadTarget, listing: HubListing, line: HubConnection, console: Console, as_json: bool
) -> None:
    """Print what will be downloaded."""
    kept = count_unfinished_bytes(wanted.address, listing, wanted.folder)
    if as_json:
        return print_json(
            {
                "event": "plan",
                "name": wanted.name,
                "repo": listing.repo,
                "commit": listing.commit,
                "layout": listing.layout,
                "licence": listing.licence or None,
                "gated": listing.gated,
                "bytes": listing.bytes,
                "kept_bytes": kept,
                "files": msgspec.to_builtins(listing.files),
            }
        )
    words = [f"{listing.repo}: {len(listing.files)} files, {format_bytes(listing.bytes)}."]
    if kept:
        words.append(f"{format_bytes(kept)} are here already.")
    words.append(f"Licence: {listing.licence or 'none is stated'} ({listing.page}).")
    if listing.gated and not line.token.value:
        words.append(f"Its licence must be accepted, and no token was found: {line.token.source}.")
    if wanted.entry is not None and wanted.entry.needs:
        words.append(f"It goes with {wanted.entry.needs}, which is downloaded the same way.")
    print_message(console, " ".join(words))
    return None


def _print_result(wanted: _DownloadTarget, done: Downloaded, console: Console, as_json: bool) -> None:
    """Print the destination and what to do next."""
    path, advice = done.path, ""
    if is_ready_to_use(done):
        path = install_download(done, wanted.library_folder, wanted.entry).folder
        advice = f"It is ready: sdxl-desktop generate … --checkpoint {wanted.name}"
    elif done.listing.layout is DownloadLayout.PART:
        advice = f"Use it with --vae {path}" if wanted.entry and wanted.entry.kind is CatalogueKind.VAE else ""
    elif wanted.entry is not None and wanted.entry.kind is CatalogueKind.LORA:
        advice = f"Use it with --lora {path}"
    else:
        advice = f'Convert it: sdxl-desktop checkpoints import "{path}" --weights int8 --name {wanted.name}'
    if as_json:
        return print_json(
            {
                "event": "downloaded",
                "path": str(path),
                "ready": is_ready_to_use(done),
                "received_bytes": done.received_bytes,
                "next_step": advice or None,
            }
        )
    if advice:
        print_message(console, advice)
    typer.echo(str(path))
    return None


def _describe(progress: DownloadProgress) -> str:
    if progress.phase is DownloadPhase.WAITING:
        return f"Waiting {progress.seconds:.0f} s, since {progress.why}"
    words = progress.phase.value.capitalize()
    return f"{words} {progress.file}" if progress.phase is DownloadPhase.DOWNLOADING and progress.file else words


def _amount(progress: DownloadProgress) -> str:
    return f" {progress.fraction:.0%} of {format_bytes(progress.total)}" if progress.total else ""


def _columns() -> tuple[ProgressColumn, ...]:
    speed = DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    return TextColumn("{task.description}"), BarColumn(), *speed


_PROGRESS_FORMAT = ProgressFormat(
    describe=_describe,
    topic=lambda progress: progress.phase,
    amount=_amount,
    total=None,
    position=lambda progress: (progress.done, progress.total or None),
    columns=_columns,
)
