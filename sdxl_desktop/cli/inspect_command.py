"""`inspect`: how a picture was made, whichever program made it, and what of it is missing here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.generate_run import library_for, load_preferences
from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.core.errors import PictureError, SdxlDesktopError, describe_error
from sdxl_desktop.core.paths import expand_path
from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.core.scalars import report_values
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.engine.checkpoint_id import cached_checkpoint_id
from sdxl_desktop.engine.compile_key import shared_file_hashes
from sdxl_desktop.imaging.picture_formats import picture_begins
from sdxl_desktop.metadata.foreign.record import ForeignRecord
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.metadata.picture_records import AnyRecord, read_any_record
from sdxl_desktop.session.model_search import addition_files
from sdxl_desktop.session.recorded_settings import recorded_settings
from sdxl_desktop.session.settings_parts import Surroundings

_UNREADABLE, _NOTHING_RECORDED = 2, 1
_SIGNATURE_BYTES = 64


def inspect(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Pictures.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each file, one a line.")] = False,
) -> int:
    """Say how pictures were made, by this or another program, and what of it is missing here.

    The exit code is 0 if every picture says it, 1 if one does not, 2 if a file cannot be read.
    """
    here = _surroundings(context.obj)
    show = _print_json if as_json else _print_words
    return max(show(name, _inspected(expand_path(name)), here) for name in files)


def _surroundings(entry_points: EntryPoints) -> Surroundings:
    paths = entry_points.paths()
    preferences = load_preferences(paths, Console(stderr=True))
    library, hashes = library_for(paths, preferences), shared_file_hashes(paths.cache)
    return Surroundings(
        checkpoints=library.checkpoints(),
        files=addition_files(library),
        content_of=lambda folder: cached_checkpoint_id(folder, hashes),
        execution=preferences.execution,
    )


def _inspected(file: Path) -> AnyRecord | SdxlDesktopError | None:
    """Return what is recorded in `file`, None if nothing is, or why it cannot be read."""
    try:
        record = read_any_record(file)
        if record is None:
            with open_regular(file) as stream:
                if not picture_begins(stream.read(_SIGNATURE_BYTES)):
                    raise PictureError(
                        f"{display_text(file.name)} is not a picture.", next_step="Name a picture, such as a PNG file."
                    )
    except SdxlDesktopError as problem:
        return problem
    except OSError as problem:
        return PictureError(
            f"{display_text(file.name)} cannot be read.", why=describe_error(problem), next_step="Check its name."
        )
    return record


def _print_json(name: str, found: AnyRecord | SdxlDesktopError | None, here: Surroundings) -> int:
    if isinstance(found, SdxlDesktopError):
        print(json_line({"file": name, "error": str(found)}), flush=True)
        return _UNREADABLE
    if found is None:
        print(json_line({"file": name, "program": None}), flush=True)
        return _NOTHING_RECORDED
    settings = recorded_settings(found, here)
    report = {
        "file": name,
        "program": settings.source,
        "settings": found.settings if isinstance(found, ForeignRecord) else _own_report(found),
        "missing": list(settings.missing_of(settings.parts)),
        "without_counterpart": list(settings.unmatched),
        "again": settings.again,
    }
    print(json_line(report), flush=True)
    return 0


def _own_report(record: PictureRecord) -> dict[str, Any]:
    """Return every recorded value by the names of `generate --json`."""
    request = record.request
    edit, refine, additions = request.edit, request.refine, request.additions
    return {
        "checkpoint": request.checkpoint.name,
        "checkpoint_id": record.checkpoint_id,
        **report_values(request.prompts),
        **report_values(request.sampling),
        "seed": record.seed,
        **report_values(request.micro_conditioning),
        "mode": request.mode.value,
        "edit": None if edit is None else {"picture": edit.picture.name, **report_values(edit)},
        "refine": None if refine is None else {"checkpoint": refine.checkpoint.name, **report_values(refine)},
        "loras": [{"file": lora.file.name, "weight": lora.weight} for lora in additions.loras],
        "embeddings": [{"file": used.file.name, "token": used.token} for used in additions.embeddings],
        "vae": None if additions.vae is None else additions.vae.name,
        **report_values(request.execution),
    }


def _print_words(name: str, found: AnyRecord | SdxlDesktopError | None, here: Surroundings) -> int:
    if isinstance(found, SdxlDesktopError):
        print(" ".join(str(found).split()), file=sys.stderr)
        return _UNREADABLE
    if found is None:
        typer.echo(f"{display_text(name)}: does not say how it was made.")
        return _NOTHING_RECORDED
    settings = recorded_settings(found, here)
    typer.echo(f"{display_text(name)}: {settings.source}")
    rows = [(part.label, display_text(text, 2000)) for part, text in settings.values.items()]
    rows += [("Not here", missing) for missing in settings.missing_of(settings.parts)]
    rows += [("Without a counterpart", lost) for lost in settings.unmatched]
    for label, text in (*rows, ("Drawn again", settings.again)):
        typer.echo(f"  {label:<26} {text}".rstrip())
    return 0
