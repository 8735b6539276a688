"""`loras`: lists the LoRAs and embeddings of the library, and sets a LoRA's default weight."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.generate_run import load_preferences
from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.core.errors import AdditionError, describe_error
from sdxl_desktop.core.number_parsing import parse_float
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.library.addition_detection import AdditionKind
from sdxl_desktop.library.additions.addition_entry import AdditionEntry
from sdxl_desktop.session.addition_library import AdditionLibrary, matches_words, open_addition_library

loras = typer.Typer(help="List your LoRAs and embeddings, and set default weights.", invoke_without_command=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
_Search = Annotated[
    str | None,
    typer.Argument(metavar="[WORDS]", help="Only those that contain all of these words.", show_default=False),
]


@loras.callback()
def _default(context: typer.Context, as_json: _Json = False) -> int:
    """List your LoRAs and embeddings, and set default weights."""
    return list_(context, None, as_json) if context.invoked_subcommand is None else 0


@loras.command("list")
def list_(context: typer.Context, words: _Search = None, as_json: _Json = False) -> int:
    """List the LoRAs and embeddings of the library: name, kind, model, default weight, trigger words."""
    library = _scanned(context.obj)
    found = [entry for entry in library.entries if matches_words(entry, words or "")]
    if as_json:
        same = {name: [str(entry.file) for entry in entries] for name, entries in library.duplicates().items()}
        folders = [str(folder.path) for folder in library.folders()]
        print(json_line({"additions": [_report(entry) for entry in found], "duplicates": same, "folders": folders}))
        return 0
    for entry in found:
        typer.echo(_line(entry))
    for entries in library.duplicates().values():
        typer.echo(f"Several are called {entries[0].name}; prompts mean {entries[0].file}.", err=True)
    if not found:
        typer.echo(f"None found. Put .safetensors files into {library.folders()[0].path}.", err=True)
    return 0


@loras.command("weight")
def weight_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A LoRA's name.", show_default=False)],
    weight: Annotated[str, typer.Argument(metavar="WEIGHT|none", help='Its default weight; "none" forgets it.')],
) -> int:
    """Set the weight that a LoRA has where none is written."""
    library = _scanned(context.obj)
    entry = library.find_lora(name)
    try:
        library.notes.set_weight(entry, None if weight.strip().lower() == "none" else parse_float(weight))
    except OSError as problem:
        raise AdditionError(f"{entry.file} cannot be read.", why=describe_error(problem)) from problem
    return 0


def _scanned(entry_points: EntryPoints) -> AdditionLibrary:
    paths = entry_points.paths()
    preferences = load_preferences(paths, Console(stderr=True))
    library = open_addition_library(paths, lambda: preferences)
    library.set_entries(library.scan())
    return library


def _line(entry: AdditionEntry) -> str:
    if entry.problem:
        return f"{display_text(entry.path_name, 60):<28} damaged    {display_text(entry.problem)}"
    what = entry.base_model_name or entry.base_model.value
    weight = f"{entry.weight:g}" if entry.kind is AdditionKind.LORA else ""
    words = ", ".join(entry.trigger_words) if entry.kind is AdditionKind.LORA else entry.token
    return (
        f"{display_text(entry.path_name, 60):<28} {entry.kind.value:<10} {display_text(what, 24):<24} {weight:>5}  "
        f"{display_text(words)}"
    ).rstrip()


def _report(entry: AdditionEntry) -> dict[str, object]:
    return {
        "name": entry.name,
        "folder": entry.folder,
        "file": str(entry.file),
        "kind": entry.kind.value,
        "shipped": entry.is_shipped,
        "bytes": entry.bytes,
        "title": entry.title,
        "alias": entry.alias,
        "author": entry.author,
        "description": entry.description,
        "base_model": entry.base_model.value,
        "base_model_name": entry.base_model_name,
        "trigger_words": list(entry.trigger_words),
        "tags": [{"tag": tag, "count": count} for tag, count in entry.tags],
        "weight": entry.weight,
        "preferred_weight": entry.preferred_weight,
        "chosen_weight": entry.chosen_weight,
        "notes": entry.notes,
        "thumbnail": None if entry.thumbnail is None else str(entry.thumbnail),
        "token": entry.token if entry.kind is AdditionKind.EMBEDDING else None,
        "problem": entry.problem,
    }
