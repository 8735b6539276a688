"""The command line's grammar: commands, options, help, and one-sentence error messages."""

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
from sdxl_desktop.cli.batch import batch
from sdxl_desktop.cli.bench import bench
from sdxl_desktop.cli.cache_command import cache
from sdxl_desktop.cli.checkpoints import checkpoints
from sdxl_desktop.cli.download import download_checkpoint
from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.foreground import EXIT_CANCELLED
from sdxl_desktop.cli.generate import generate
from sdxl_desktop.cli.generate_run import run_generate
from sdxl_desktop.cli.history_command import history
from sdxl_desktop.cli.inspect_command import inspect
from sdxl_desktop.cli.json_report import devices_report
from sdxl_desktop.cli.loras_command import loras
from sdxl_desktop.cli.option_types import use_option_types
from sdxl_desktop.cli.options import Options
from sdxl_desktop.cli.quantize import register as register_quantize
from sdxl_desktop.cli.stdout_redirect import stdout_to_stderr
from sdxl_desktop.cli.styles_command import styles
from sdxl_desktop.cli.terminal_encoding import tolerate_any_text
from sdxl_desktop.cli.tokens_command import tokens
from sdxl_desktop.core.app_log import application_log
from sdxl_desktop.core.errors import SdxlDesktopError, describe_error, wrap_error
from sdxl_desktop.core.paths import expand_path
from sdxl_desktop.core.untrusted_text import display_text

_log = logging.getLogger(__name__)
PROGRAM = "sdxl-desktop"
EXIT_BAD_INPUT = 2
_OWN_OPTIONS = {"--help", "--version", "--install-completion", "--show-completion"}


class _WindowByDefault(TyperGroup):
    """Without a command, `window` is used, so that `sdxl-desktop photo.png --prompt "…"` works."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0].split("=")[0] in _OWN_OPTIONS)
        return super().parse_args(ctx, args if named else ["window", *args])


app = typer.Typer(cls=_WindowByDefault, pretty_exceptions_enable=False, rich_markup_mode="rich")


def run(arguments: Sequence[str], entry_points: EntryPoints) -> int:
    """Run the command line `arguments`; return the exit code: 0, 2 for bad input, 1 for failure, 130 if cancelled."""
    command = typer.main.get_command(app)
    tolerate_any_text()
    use_option_types(command)
    with application_log(entry_points.paths().logs):
        return _run(command, arguments, entry_points)


def _run(command: click.Command, arguments: Sequence[str], entry_points: EntryPoints) -> int:
    try:
        code = command.main(args=list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=entry_points)
    except click.ClickException as problem:
        _print_error(f"{_sentence(problem.format_message())} See {_help_for(problem)}.")
        return EXIT_BAD_INPUT
    except SdxlDesktopError as problem:
        if not problem.is_user_error:
            _log.error("%s", problem, exc_info=problem)
        _print_error(str(problem))
        return EXIT_BAD_INPUT if problem.is_user_error else 1
    except BrokenPipeError:  # the reader closed the pipe; the results are already saved
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the interpreter flushes it at exit
        return 1
    except OSError as problem:  # not one of our errors, but it needs no traceback
        _log.error("A command failed", exc_info=problem)
        _print_error(f"{display_text(problem.filename or 'A file')}: {describe_error(problem)}")
        return 1
    except (click.Abort, KeyboardInterrupt):
        _print_error("Cancelled.")
        return EXIT_CANCELLED
    except Exception as problem:  # the last resort for a command
        _print_error(str(wrap_error(problem, "The command failed unexpectedly.")))
        return 1
    return code if isinstance(code, int) else 0


def _sentence(words: str) -> str:
    return words if words.endswith(("?", "!", ".")) else f"{words}."


def _help_for(problem: click.ClickException) -> str:
    context = getattr(problem, "ctx", None)
    return f"{context.command_path if context is not None else PROGRAM} --help"


def _print_error(sentence: str) -> None:
    print(" ".join(sentence.split()), file=sys.stderr)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"SDXL Desktop {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
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
        typer.Option(
            help="Start drawing this at once; a window that is already open only gets the text. Without a display it "
            "is drawn in the terminal instead."
        ),
    ] = None,
    new_window: Annotated[
        bool, typer.Option("--new-window", help="Open another window, even if one is open that could take the files.")
    ] = False,
) -> int:
    """Open the window. This is what sdxl-desktop does without a command.

    Files and a prompt go to the window that is already open, if there is one.
    """
    entry_points: EntryPoints = context.obj
    named = [_named(text, context) for text in files or ()]
    reason = entry_points.why_no_window()
    if not reason:
        return entry_points.window(entry_points.paths(), prompt, named, new_window=new_window)
    if prompt is None:
        _print_error(
            f"No window can be opened here because {reason}; draw from the command line instead: "
            f'{PROGRAM} generate "a red heart on a blue background" -o heart.png'
        )
        return 1
    _print_error(f"No window can be opened here because {reason}, so the picture is drawn in the terminal.")
    return run_generate(entry_points, Options(prompt=prompt), checkpoint=None, output=None, as_json=False)


def _named(text: str, context: typer.Context) -> Path | str:
    """Return the file, folder or URL that `text` names."""
    if text.lower().startswith(("http://", "https://", "file://")):
        return text
    path = expand_path(text)
    if not os.path.exists(path):  # does not raise for any name
        raise click.UsageError(_no_such_file(text), context.parent)
    return path


def _no_such_file(name: str) -> str:
    commands = typer.main.get_group(app).commands
    similar = get_close_matches(name, list(commands), n=1)
    hint = f"; did you mean the command {similar[0]!r}?" if similar else "."
    return f"There is no file called {name!r}{hint}"


app.command()(generate)
app.command()(batch)
checkpoints.command("download")(download_checkpoint)
register_quantize(checkpoints)
app.add_typer(checkpoints, name="checkpoints")
app.add_typer(cache, name="cache")
app.add_typer(history, name="history")
app.add_typer(styles, name="styles")
app.command()(bench)
app.command()(inspect)
app.command()(tokens)
app.add_typer(loras, name="loras")


@app.command()
def devices(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """List the devices available for generation on this computer."""
    entry_points: EntryPoints = context.obj
    with stdout_to_stderr():
        there = entry_points.devices()
    if as_json:
        typer.echo(devices_report(there))
    else:
        for device in there:
            typer.echo(f"{device.name:<8} {device.full_name}".rstrip())
    return 0
