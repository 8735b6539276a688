"""The command line's grammar: commands, options, help, and one sentence for each thing that can be wrong."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import click
import typer
from typer.core import TyperGroup

from sdxl_desktop import __version__
from sdxl_desktop.cli.bench import bench
from sdxl_desktop.cli.cache import cache
from sdxl_desktop.cli.checkpoints import checkpoints
from sdxl_desktop.cli.doors import Doors
from sdxl_desktop.cli.download import download_checkpoint
from sdxl_desktop.cli.draw import draw
from sdxl_desktop.cli.foreground import CANCELLED
from sdxl_desktop.cli.generate import generate
from sdxl_desktop.cli.options import Options
from sdxl_desktop.cli.quantize import register as register_quantize
from sdxl_desktop.cli.quiet import stdout_kept_clean
from sdxl_desktop.cli.report import devices_report
from sdxl_desktop.cli.streams import tolerate_any_text
from sdxl_desktop.cli.typed import read_as_typed
from sdxl_desktop.core.app_log import application_log
from sdxl_desktop.core.errors import SdxlDesktopError, explained, named
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.paths import expanded

_log = logging.getLogger(__name__)
PROGRAM = "sdxl-desktop"
BAD_INPUT = 2
_OWN_OPTIONS = {"--help", "--version", "--install-completion", "--show-completion"}


class _WindowByDefault(TyperGroup):
    """Without a command it means `window`, so that `sdxl-desktop photo.png --prompt "…"` works."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0].split("=")[0] in _OWN_OPTIONS)
        return super().parse_args(ctx, args if named else ["window", *args])


app = typer.Typer(cls=_WindowByDefault, pretty_exceptions_enable=False, rich_markup_mode="rich")


def run(arguments: Sequence[str], doors: Doors) -> int:
    """Do what `arguments` say; returns the exit code: 0, 2 for bad input, 1 for failure, 130 for cancelled."""
    command = typer.main.get_command(app)
    tolerate_any_text()
    read_as_typed(command)
    with application_log(doors.paths().logs):
        return _run(command, arguments, doors)


def _run(command: click.Command, arguments: Sequence[str], doors: Doors) -> int:
    try:
        code = command.main(args=list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=doors)
    except click.ClickException as problem:
        _complain(f"{_sentence(problem.format_message())} See {_help_for(problem)}.")
        return BAD_INPUT
    except SdxlDesktopError as problem:
        if not problem.bad_input:
            _log.error("%s", problem, exc_info=problem)
        _complain(str(problem))
        return BAD_INPUT if problem.bad_input else 1
    except BrokenPipeError:  # nobody reads what is printed; what was made is made
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the interpreter flushes it at its end
        return 1
    except OSError as problem:  # nothing of ours, yet nothing that needs a traceback
        _log.error("A command failed", exc_info=problem)
        _complain(f"{shown(problem.filename or 'A file')}: {named(problem)}")
        return 1
    except (click.Abort, KeyboardInterrupt):
        _complain("Cancelled.")
        return CANCELLED
    except Exception as problem:  # the last net under a command
        _complain(str(explained(problem, "The command failed unexpectedly.")))
        return 1
    return code if isinstance(code, int) else 0


def _sentence(words: str) -> str:
    return words if words.endswith(("?", "!", ".")) else f"{words}."


def _help_for(problem: click.ClickException) -> str:
    context = getattr(problem, "ctx", None)
    return f"{context.command_path if context is not None else PROGRAM} --help"


def _complain(sentence: str) -> None:
    print(" ".join(sentence.split()), file=sys.stderr)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"SDXL Desktop {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make pictures with Stable Diffusion XL on this computer.

    Without a command it opens the window: sdxl-desktop [FILES]... [--prompt TEXT]
    """


@app.command()
def window(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="What to open: pictures, projects, checkpoints, LoRAs, embeddings, VAEs, kept latents, or URLs.",
            show_default=False,
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="Start drawing this at once. Without a display it is drawn in the terminal instead."),
    ] = None,
) -> int:
    """Open the window. This is what sdxl-desktop does without a command."""
    doors: Doors = context.obj
    named = [_named(text, context) for text in files or ()]
    reason = doors.why_no_window()
    if not reason:
        return doors.window(doors.paths(), prompt, named)
    if prompt is None:
        _complain(
            f"No window can be opened here because {reason}; draw from the command line instead: "
            f'{PROGRAM} generate "a red heart on a blue background" -o heart.png'
        )
        return 1
    _complain(f"No window can be opened here because {reason}, so the picture is drawn in the terminal.")
    return draw(doors, Options(prompt=prompt), checkpoint=None, output=None, as_json=False)


def _named(text: str, context: typer.Context) -> Path | str:
    """The file or folder, or the URL, that `text` names."""
    if text.lower().startswith(("http://", "https://", "file://")):
        return text
    path = expanded(text)
    if not os.path.exists(path):  # has an answer for every name
        raise click.UsageError(_no_such_file(text), context.parent)
    return path


def _no_such_file(name: str) -> str:
    similar = get_close_matches(name, ["window", "generate", "devices", "checkpoints", "cache", "bench"], n=1)
    hint = f"; did you mean the command {similar[0]!r}?" if similar else "."
    return f"There is no file called {name!r}{hint}"


app.command()(generate)
checkpoints.command("download")(download_checkpoint)
register_quantize(checkpoints)
app.add_typer(checkpoints, name="checkpoints")
app.add_typer(cache, name="cache")
app.command()(bench)


@app.command()
def devices(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """List the devices that can draw on this computer."""
    doors: Doors = context.obj
    with stdout_kept_clean():
        there = doors.devices()
    if as_json:
        typer.echo(devices_report(there))
    else:
        for device in there:
            typer.echo(f"{device.name:<8} {device.full_name}".rstrip())
    return 0
