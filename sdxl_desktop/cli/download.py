"""`checkpoints download`: brings a known checkpoint, a hub id or a URL, and goes on where it was stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from sdxl_desktop.cli.doors import Doors
from sdxl_desktop.cli.draw import library_for, load_preferences
from sdxl_desktop.cli.foreground import CANCELLED, ctrl_c_heard
from sdxl_desktop.library.catalogue import Entry, Kind, find
from sdxl_desktop.library.convert.forecast import gigabytes
from sdxl_desktop.library.hub.address import Address, parse_address
from sdxl_desktop.library.hub.arrival import check_free, destination, is_ready, join_library
from sdxl_desktop.library.hub.errors import DownloadStoppedError
from sdxl_desktop.library.hub.events import DownloadProgress, Stage
from sdxl_desktop.library.hub.files import Layout, Listing
from sdxl_desktop.library.hub.running import Downloaded, Emit, Line, download, kept_bytes, look

_SECONDS_BETWEEN_LINES = 10.0


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

    If it is stopped or killed, the same command goes on where it was. HF_ENDPOINT names a mirror, HF_TOKEN a token.
    """
    doors: Doors = context.obj
    console = Console(stderr=True)
    wanted = _wanted(doors, what, name, openvino, console)
    with ctrl_c_heard(doors.leave) as ctrl_c:
        line = Line.usual()
        show = _print_event if as_json else _line_for(console)
        try:
            listing = look(wanted.address, show, ctrl_c, openvino=wanted.openvino, line=line)
            if listing.layout is Layout.OPENVINO:
                check_free(wanted.home, wanted.name)
            _tell_plan(wanted, listing, line, console, as_json)

            def work(emit: Emit) -> Downloaded:
                return download(wanted.address, listing, wanted.folder, emit, ctrl_c, line=line)

            done = work(_print_event) if as_json else _with_a_bar(console, work)
        except DownloadStoppedError as stopped:
            console.print(str(stopped), markup=False, highlight=False, soft_wrap=True)
            return CANCELLED
    _tell_end(wanted, done, console, as_json)
    return 0


def _wanted(doors: Doors, what: str, name: str | None, openvino: bool, console: Console) -> _Wanted:
    paths = doors.paths()
    entry = find(what)
    address = entry.address if entry is not None else parse_address(what)
    home = library_for(paths, load_preferences(paths, console)).own
    chosen = name or (entry.id if entry is not None else address.name)
    destination(home, chosen)  # raises for an unfit name before anything is asked
    ready_made = entry is not None and entry.openvino is not None
    return _Wanted(address, entry, openvino or ready_made, chosen, home)


def _tell_plan(wanted: _Wanted, listing: Listing, line: Line, console: Console, as_json: bool) -> None:
    """What is coming, before it starts."""
    kept = kept_bytes(wanted.address, listing, wanted.folder)
    if as_json:
        return _print(
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
    _say(console, " ".join(words))
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
        return _print(
            {
                "event": "downloaded",
                "path": str(path),
                "ready": is_ready(done),
                "received_bytes": done.received,
                "next_step": advice or None,
            }
        )
    if advice:
        _say(console, advice)
    typer.echo(str(path))
    return None


def _say(console: Console, words: str) -> None:
    console.print(words, markup=False, highlight=False, soft_wrap=True)


def _print(content: dict[str, Any]) -> None:
    print(json.dumps(content, ensure_ascii=False), flush=True)


def _print_event(progress: DownloadProgress) -> None:
    _print(msgspec.to_builtins(progress))


def _with_a_bar(console: Console, work: Callable[[Emit], Downloaded]) -> Downloaded:
    """Do `work` under a live bar on a screen, or with a line for each stage and every ten seconds in a log."""
    if not console.is_terminal:
        return work(_line_for(console))
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with bar:
        task = bar.add_task("Starting", total=None)
        return work(
            lambda progress: bar.update(
                task, description=_words(progress), completed=progress.done, total=progress.total or None
            )
        )


def _line_for(console: Console) -> Emit:
    """Tells a new stage at once, and the same one every ten seconds."""
    shown: list[Any] = ["", 0.0]

    def show(progress: DownloadProgress) -> None:
        what, now = progress.stage, time.monotonic()
        if what == shown[0] and now - shown[1] < _SECONDS_BETWEEN_LINES:
            return
        shown[:] = what, now
        share = f" {progress.fraction:.0%} of {gigabytes(progress.total)}" if progress.total else ""
        _say(console, f"{_words(progress)}…{share}")

    return show


def _words(progress: DownloadProgress) -> str:
    if progress.stage is Stage.WAITING:
        return f"Waiting {progress.seconds:.0f} s, since {progress.why}"
    words = progress.stage.value.capitalize()
    return f"{words} {progress.file}" if progress.stage is Stage.DOWNLOADING and progress.file else words
