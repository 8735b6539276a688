"""`styles`: list the styles of prompts, and import those of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.core.paths import expand_path
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.prompt_craft.style_files import StyleStore, read_style_file

styles = typer.Typer(help="List the styles of prompts, and import those of other programs.")

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@styles.command("list")
def list_(context: typer.Context, as_json: _Json = False) -> int:
    """List all styles by category: those that ship with the program, and your own."""
    found = _store(context).load()
    if as_json:
        typer.echo(json_line({"styles": [msgspec.to_builtins(style) for style in found.styles]}))
        return 0
    for category in found.categories:
        typer.echo(display_text(category))
        for style in found.styles:
            if style.category == category:
                typer.echo(f"  {style.name:<28} {display_text(style.prompt, 90)}".rstrip())
    return 0


@styles.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(help="A styles.csv of AUTOMATIC1111, or a JSON file of Fooocus.", show_default=False),
    ],
    as_json: _Json = False,
) -> int:
    """Add the styles of a file to your own. One of the same name is replaced."""
    found = read_style_file(expand_path(file))
    _store(context).save(found.styles)
    if as_json:
        typer.echo(json_line({"imported": [style.name for style in found.styles], "skipped": found.skipped}))
        return 0
    typer.echo(f"Imported {len(found.styles)} style{'s' if len(found.styles) != 1 else ''}.")
    if found.skipped:
        typer.echo(f"Skipped {found.skipped} without a name or words.", err=True)
    return 0


def _store(context: typer.Context) -> StyleStore:
    entry_points: EntryPoints = context.obj
    return StyleStore.of(entry_points.paths())
