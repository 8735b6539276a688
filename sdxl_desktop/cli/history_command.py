"""`history`: list, search, show, export and rebuild the history of finished pictures."""

from __future__ import annotations

import io
import sys
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.generate_run import absolute, load_preferences
from sdxl_desktop.cli.history_report import details_report, entry_line, entry_report, write_csv, write_jsonl
from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.core.atomic_write import write_atomically
from sdxl_desktop.core.errors import OutputError, PictureError, RequestError, describe_error
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import chosen_folder
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.history.entries import EntryState, HistoryFilter, PictureKind

if TYPE_CHECKING:
    from sdxl_desktop.history.store import History

history = typer.Typer(help="List, search, show, export and rebuild the history of finished pictures.")

_FORMATS = {"jsonl": write_jsonl, "csv": write_csv}

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Limit = Annotated[int, typer.Option(min=1, metavar="N", help="At most this many entries.")]
_Offset = Annotated[int, typer.Option(min=0, metavar="N", help="Leave out the newest N.")]
_Checkpoint = Annotated[str, typer.Option(metavar="NAME", help="Made by this checkpoint.", show_default=False)]
_Kind = Annotated[
    list[str] | None, typer.Option(metavar="|".join(PictureKind), help="Of this kind. Repeatable.", show_default=False)
]
_Since = Annotated[
    str, typer.Option(metavar="DATE", help="Made on this day (2026-01-31) or later.", show_default=False)
]
_Until = Annotated[str, typer.Option(metavar="DATE", help="Made on this day or earlier.", show_default=False)]
_MinSize = Annotated[str, typer.Option(metavar="WxH", help="At least of this size.", show_default=False)]
_MaxSize = Annotated[str, typer.Option(metavar="WxH", help="At most of this size.", show_default=False)]
_Rating = Annotated[int, typer.Option(min=0, max=5, metavar="0-5", help="Rated at least this.")]
_Starred = Annotated[bool | None, typer.Option("--starred/--not-starred", help="With or without a star.")]
_Mask = Annotated[bool | None, typer.Option("--mask/--no-mask", help="Made with or without a mask.")]
_Tag = Annotated[str, typer.Option(metavar="TAG", help="With this tag.", show_default=False)]
_Missing = Annotated[bool | None, typer.Option("--missing/--present", help="Whose files are missing, or there.")]


@history.command("list")
def list_(
    context: typer.Context,
    limit: _Limit = 50,
    offset: _Offset = 0,
    checkpoint: _Checkpoint = "",
    kind: _Kind = None,
    since: _Since = "",
    until: _Until = "",
    min_size: _MinSize = "",
    max_size: _MaxSize = "",
    min_rating: _Rating = 0,
    starred: _Starred = None,
    mask: _Mask = None,
    tag: _Tag = "",
    missing: _Missing = None,
    as_json: _Json = False,
) -> int:
    """List pictures, the newest first."""
    wanted = _filter("", checkpoint, kind, since, until, min_size, max_size, min_rating, starred, mask, tag, missing)
    return _print_page(context.obj, wanted, offset, limit, as_json)


@history.command()
def search(
    context: typer.Context,
    words: Annotated[
        str, typer.Argument(metavar="TEXT", help='Words of the prompt, or their beginnings; "in quotes" a phrase.')
    ],
    limit: _Limit = 50,
    offset: _Offset = 0,
    checkpoint: _Checkpoint = "",
    kind: _Kind = None,
    since: _Since = "",
    until: _Until = "",
    min_size: _MinSize = "",
    max_size: _MaxSize = "",
    min_rating: _Rating = 0,
    starred: _Starred = None,
    mask: _Mask = None,
    tag: _Tag = "",
    missing: _Missing = None,
    as_json: _Json = False,
) -> int:
    """List the pictures whose prompt contains all of these words, the newest first."""
    wanted = _filter(words, checkpoint, kind, since, until, min_size, max_size, min_rating, starred, mask, tag, missing)
    return _print_page(context.obj, wanted, offset, limit, as_json)


@history.command()
def show(
    context: typer.Context,
    picture: Annotated[str, typer.Argument(metavar="ID|FILE", help="The number of an entry, or its file.")],
    as_json: _Json = False,
) -> int:
    """Show everything that is known of a picture."""
    with closing(_open(context.obj)) as opened:
        details = opened.details(_entry_id(opened, picture))
    if details is None:
        raise _no_entry(picture)
    report = details_report(details)
    if as_json:
        print(json_line(report), flush=True)
        return 0
    record = report.pop("record")
    for key, value in report.items():
        words = _words(value)
        if words:
            typer.echo(f"{key.replace('_', ' '):<16} {words}")
    if record is not None:
        typer.echo("record")
        for part, value in record["request"].items():
            typer.echo(f"  {part.replace('_', ' '):<18} {_words(value)}")
    return 0


@history.command()
def export(
    context: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Default: standard output.", show_default=False),
    ] = None,
    file_format: Annotated[
        str, typer.Option("--format", metavar="jsonl|csv", help="Default: by the file's name, else jsonl.")
    ] = "",
    words: Annotated[str, typer.Option("--search", metavar="TEXT", help="As `search`.", show_default=False)] = "",
    checkpoint: _Checkpoint = "",
    kind: _Kind = None,
    since: _Since = "",
    until: _Until = "",
    min_size: _MinSize = "",
    max_size: _MaxSize = "",
    min_rating: _Rating = 0,
    starred: _Starred = None,
    mask: _Mask = None,
    tag: _Tag = "",
    missing: _Missing = None,
) -> int:
    """Write everything that is known of the pictures, the newest first, as JSON Lines or CSV. An existing file is
    replaced."""
    wanted = _filter(words, checkpoint, kind, since, until, min_size, max_size, min_rating, starred, mask, tag, missing)
    name = file_format or ("" if output is None else output.suffix.lower().removeprefix("."))
    write = _FORMATS.get(name or "jsonl")
    if write is None:
        raise RequestError(f"The history is not exported as {display_text(name)!r}.", next_step="Say jsonl or csv.")
    with closing(_open(context.obj)) as opened:
        if output is None:
            write(opened.details_of(opened.ids(wanted)), sys.stdout)
            sys.stdout.flush()
            return 0
        text = io.StringIO(newline="")
        write(opened.details_of(opened.ids(wanted)), text)
    target = absolute(output)
    try:
        write_atomically(target, text.getvalue().encode("utf-8", "backslashreplace"))
    except (OSError, ValueError) as problem:
        raise OutputError(
            f"{display_text(target, 1000)} cannot be written.",
            why=describe_error(problem),
            next_step="Choose another name or folder.",
        ) from problem
    return 0


@history.command()
def rebuild(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(help="The pictures folder. [default: as in your settings]", show_default=False),
    ] = None,
    as_json: _Json = False,
) -> int:
    """Make the history again from the picture files. Ratings, stars and tags are kept. A damaged database is set aside
    first."""
    from sdxl_desktop.history.store import History

    entry_points: EntryPoints = context.obj
    console = Console(stderr=True)
    place = _pictures_folder(entry_points, console) if folder is None else absolute(folder)
    if folder is not None and not place.is_dir():
        raise PictureError(f"{display_text(place, 1000)} is not a folder.", next_step="Name the pictures folder.")

    def progress(done: int, total: int) -> None:
        console.print(f"{done} of {total} pictures", markup=False, highlight=False)

    with closing(History.open(entry_points.paths().history, thorough=True)) as opened:
        damaged = opened.damaged
        report = opened.rebuild(place, progress=progress)
        number = opened.count()
    if as_json:
        set_aside = None if damaged is None else str(damaged)
        print(json_line({"folder": str(place), "entries": number, "damaged": set_aside}), flush=True)
        return 0
    if damaged is not None:
        typer.echo(f"The damaged database was kept as {damaged}.")
    typer.echo(f"The history has {number} pictures again, {len(report.added)} of them from files.")
    return 0


def _print_page(entry_points: EntryPoints, wanted: HistoryFilter, offset: int, limit: int, as_json: bool) -> int:
    with closing(_open(entry_points)) as opened:
        total = opened.count(wanted)
        entries = opened.page(wanted, offset, limit)
    if as_json:
        print(json_line({"entries": [entry_report(entry) for entry in entries], "total": total}), flush=True)
        return 0
    for entry in entries:
        typer.echo(entry_line(entry))
    if not total and wanted == HistoryFilter():
        typer.echo('No pictures yet. Draw one: sdxl-desktop generate "a red heart"')
    elif len(entries) < total:
        typer.echo(f"{len(entries)} of {total} pictures; --limit and --offset show others.")
    elif not total:
        typer.echo("No picture is like that.")
    return 0


def _open(entry_points: EntryPoints) -> History:
    from sdxl_desktop.history.store import History  # loads the database's libraries

    return History.open(entry_points.paths().history)


def _pictures_folder(entry_points: EntryPoints, console: Console) -> Path:
    paths = entry_points.paths()
    return chosen_folder(load_preferences(paths, console).pictures_folder, paths.pictures)


def _filter(
    words: str,
    checkpoint: str,
    kinds: list[str] | None,
    since: str,
    until: str,
    min_size: str,
    max_size: str,
    min_rating: int,
    starred: bool | None,
    mask: bool | None,
    tag: str,
    missing: bool | None,
) -> HistoryFilter:
    return HistoryFilter(
        text=words,
        checkpoint=checkpoint,
        kinds=frozenset(_kind(each) for each in kinds or ()),
        created_from=_day(since),
        created_to=_day(until),
        min_size=Size.parse(min_size) if min_size else None,
        max_size=Size.parse(max_size) if max_size else None,
        min_rating=min_rating,
        starred=starred,
        has_mask=mask,
        tag=tag,
        state=None if missing is None else EntryState.MISSING if missing else EntryState.PRESENT,
    )


def _kind(text: str) -> PictureKind:
    try:
        return PictureKind(text.strip().lower())
    except ValueError as problem:
        raise RequestError(
            f"{display_text(text)!r} is no kind of picture.", next_step=f"Choose one of: {', '.join(PictureKind)}."
        ) from problem


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as problem:
        raise RequestError(
            f"{display_text(text)!r} is no date.", next_step="Write year, month and day, for instance 2026-01-31."
        ) from problem


def _entry_id(opened: History, picture: str) -> int:
    if picture.isascii() and picture.isdecimal() and len(picture) <= 18:
        return int(picture)
    entry = opened.entry_of_file(absolute(Path(picture)))
    if entry is None:
        raise _no_entry(picture)
    return entry.id


def _no_entry(picture: str) -> PictureError:
    return PictureError(
        f"The history has no picture {display_text(picture)!r}.",
        next_step="“sdxl-desktop history list” shows the numbers; “history rebuild” reads the pictures folder again.",
    )


def _words(value: Any) -> str:
    if value is None:
        return ""
    match value:
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{key} {_words(each)}" for key, each in value.items() if _words(each))
        case list():
            return ", ".join(_words(each) for each in value)
    return display_text(value, 1000)
