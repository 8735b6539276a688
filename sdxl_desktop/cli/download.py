"""`checkpoints download`: brings a known checkpoint, a hub id or a URL, and goes on where it was stopped."""

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

from sdxl_desktop.cli.doors import Doors
from sdxl_desktop.cli.draw import library_for, load_preferences
from sdxl_desktop.cli.foreground import CANCELLED, ctrl_c_heard
from sdxl_desktop.cli.jobs import Look, followed, in_lines, print_json, say
from sdxl_desktop.library.catalogue import Entry, Kind, find
from sdxl_desktop.library.checkpoint_names import check_unused, name_of
from sdxl_desktop.library.convert.forecast import gigabytes
from sdxl_desktop.library.hub.address import Address, parse_address
from sdxl_desktop.library.hub.arrival import destination, is_ready, join_library
from sdxl_desktop.library.hub.errors import DownloadStoppedError
from sdxl_desktop.library.hub.files import Layout, Listing
from sdxl_desktop.library.hub.job import DownloadPhase, DownloadProgress, Emit
from sdxl_desktop.library.hub.running import Downloaded, Line, download, kept_bytes, look


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be had, and where it goes: `home` is the person's library."""

    address: Address
    entry: Entry | None
    openvino: bool
    name: str
    home: Path

    @property
    def folder(self) -> Path:
        return destination(self.home, self.name)


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

    If it is stopped or killed, the same command goes on where it was. HF_ENDPOINT names a mirror, HF_TOKEN a
    token for huggingface.co (SDXL_DESKTOP_TOKEN_HOST: for that host instead); ALL_PROXY and its kin are followed.
    """
    doors: Doors = context.obj
    console = Console(stderr=True)
    wanted = _wanted(doors, what, name, openvino, console)
    with ctrl_c_heard(doors.leave) as ctrl_c:
        line = Line.usual()
        show = in_lines(_LOOK, console, as_json=as_json)
        try:
            listing = look(wanted.address, show, ctrl_c, openvino=wanted.openvino, line=line)
            if listing.layout is Layout.OPENVINO:
                check_unused(wanted.name, wanted.home)
            _tell_plan(wanted, listing, line, console, as_json)

            def work(emit: Emit) -> Downloaded:
                return download(wanted.address, listing, wanted.folder, emit, ctrl_c, line=line)

            done = followed(work, _LOOK, console, as_json=as_json)
        except DownloadStoppedError as stopped:
            say(console, str(stopped))
            return CANCELLED
    _tell_end(wanted, done, console, as_json)
    return 0


def _wanted(doors: Doors, what: str, name: str | None, openvino: bool, console: Console) -> _Wanted:
    paths = doors.paths()
    entry = find(what)
    address = entry.address if entry is not None else parse_address(what)
    home = library_for(paths, load_preferences(paths, console)).own
    chosen = name or name_of(entry.id if entry is not None else address.name)
    destination(home, chosen)  # raises for an unfit name before anything is asked
    ready_made = entry is not None and entry.openvino is not None
    return _Wanted(address, entry, openvino or ready_made, chosen, home)


def _tell_plan(wanted: _Wanted, listing: Listing, line: Line, console: Console, as_json: bool) -> None:
    """What is coming, before it starts."""
    kept = kept_bytes(wanted.address, listing, wanted.folder)
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
    words = [f"{listing.repo}: {len(listing.files)} files, {gigabytes(listing.bytes)}."]
    if kept:
        words.append(f"{gigabytes(kept)} are here already.")
    words.append(f"Licence: {listing.licence or 'none is stated'} ({listing.page}).")
    if listing.gated and not line.token.value:
        words.append(f"It wants its licence accepted, and no token was found: {line.token.where}.")
    if wanted.entry is not None and wanted.entry.needs:
        words.append(f"It goes with {wanted.entry.needs}, which is downloaded the same way.")
    say(console, " ".join(words))
    return None


def _tell_end(wanted: _Wanted, done: Downloaded, console: Console, as_json: bool) -> None:
    """Where it is, and what to do with it."""
    path, advice = done.path, ""
    if is_ready(done):
        path = join_library(done, wanted.home, wanted.entry).folder
        advice = f"It is ready: sdxl-desktop generate … --checkpoint {wanted.name}"
    elif done.listing.layout is Layout.PART:
        advice = f"Use it with --vae {path}" if wanted.entry and wanted.entry.kind is Kind.VAE else ""
    elif wanted.entry is not None and wanted.entry.kind is Kind.LORA:
        advice = f"Use it with --lora {path}"
    else:
        advice = f'Convert it: sdxl-desktop checkpoints import "{path}" --weights int8 --name {wanted.name}'
    if as_json:
        return print_json(
            {
                "event": "downloaded",
                "path": str(path),
                "ready": is_ready(done),
                "received_bytes": done.received,
                "next_step": advice or None,
            }
        )
    if advice:
        say(console, advice)
    typer.echo(str(path))
    return None


def _words(progress: DownloadProgress) -> str:
    if progress.phase is DownloadPhase.WAITING:
        return f"Waiting {progress.seconds:.0f} s, since {progress.why}"
    words = progress.phase.value.capitalize()
    return f"{words} {progress.file}" if progress.phase is DownloadPhase.DOWNLOADING and progress.file else words


def _amount(progress: DownloadProgress) -> str:
    return f" {progress.fraction:.0%} of {gigabytes(progress.total)}" if progress.total else ""


def _columns() -> tuple[ProgressColumn, ...]:
    speed = DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    return TextColumn("{task.description}"), BarColumn(), *speed


_LOOK = Look(
    words=_words,
    topic=lambda progress: progress.phase,
    amount=_amount,
    total=None,
    reached=lambda progress: (progress.done, progress.total or None),
    columns=_columns,
)
