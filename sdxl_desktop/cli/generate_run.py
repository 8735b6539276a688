"""`generate`: checks everything that can be checked, generates, and reports where the pictures are."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from rich.console import Console

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.foreground import EXIT_CANCELLED, ForegroundRunner, catch_ctrl_c
from sdxl_desktop.cli.history_recording import ForegroundHistory
from sdxl_desktop.cli.json_report import run_report
from sdxl_desktop.cli.options import Options, request_from_options
from sdxl_desktop.cli.progress_display import Display, display_for
from sdxl_desktop.cli.prompt_craft import PromptCraftFiles, prompt_craft_for
from sdxl_desktop.cli.stdout_redirect import stdout_to_stderr
from sdxl_desktop.core.app_log import allow_prompts
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import OutputError, describe_error
from sdxl_desktop.core.exclusive_write import FileNameTakenError, numbered_names
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.paths import AppPaths, chosen_folder, expand_path, resources_folder
from sdxl_desktop.core.request import AUTOMATIC_DEVICE, Execution, GenerationRequest
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.imaging.picture_formats import WRITTEN_ENDINGS
from sdxl_desktop.library.scan import Library
from sdxl_desktop.metadata.latent_files import SUFFIX, write_latents
from sdxl_desktop.session.addition_library import LoraLookup, lora_lookup
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.history_recording import HistoryRecorder
from sdxl_desktop.session.result_files import (
    PictureStore,
    Result,
    check_writable,
    save_as,
    save_under_free_name,
)
from sdxl_desktop.session.settings_store import SettingsStore

_NAME_A_FILE_HINT = "Name a file with its whole path, beginning with /."
STOPPING = "Stopping; Ctrl+C again stops at once."


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedOutputStore(PictureStore):
    """Writes the first picture of a run to `output`, replacing an existing file, and the others to the next unused
    names: output-2, output-3 and so on."""

    output: Path

    def save(self, result: Result) -> Result:
        if result.picture.index == 0:
            return save_as(result, self.output)
        return save_under_free_name(result, _numbered_outputs(self.output))


def _numbered_outputs(output: Path) -> Iterator[Path]:
    """Yield the names for further pictures: output-2, output-3 and so on."""
    return islice(numbered_names(output), 1, None)


def run_generate(
    entry_points: EntryPoints, options: Options, *, checkpoint: str | None, output: Path | None, as_json: bool
) -> int:
    """Generate and report; return the exit code. Raises SdxlDesktopError for errors found before generation starts."""
    console = Console(stderr=True)
    prepared = prepare_request(entry_points, options, checkpoint, console)
    request, paths = prepared.request, prepared.paths
    store = _store(output, request.sampling.count, fallback_folders(paths, prepared.preferences))
    latents_out = None if options.latents_out is None else absolute(options.latents_out)
    if latents_out is not None:
        _check_names(latents_out, request.sampling.count, (SUFFIX,))
    request = replace(request, execution=with_device_names(entry_points, request.execution))
    return _draw_checked(entry_points, request, prepared.checkpoint, store, paths, console, as_json, latents_out)


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """The request of the options, and what it was made with; `lookup` finds LoRAs by name, None: tags are text."""

    request: GenerationRequest
    checkpoint: Checkpoint
    paths: AppPaths
    preferences: Preferences
    library: Library
    lookup: LoraLookup | None


def prepare_request(
    entry_points: EntryPoints, options: Options, checkpoint: str | None, console: Console
) -> PreparedRequest:
    """Return the request of `options` for the checkpoint of this name, or the one of a preset, or the default one.
    Raises SdxlDesktopError."""

    def tell(note: str) -> None:
        print_message(console, note)

    paths = entry_points.paths()
    preferences = load_preferences(paths, console)
    library, lookup = library_for(paths, preferences), lora_lookup(paths, preferences)
    craft = prompt_craft_for(options, PromptCraftFiles(paths, preferences, tell))
    wanted = checkpoint or craft.checkpoint
    found = library.default_checkpoint() if wanted is None else library.find_checkpoint(wanted)
    request = request_from_options(
        options, found, preferences, library.find_checkpoint, tell, craft, lora_lookup=lookup
    )
    return PreparedRequest(request, found, paths, preferences, library, lookup)


def load_preferences(paths: AppPaths, console: Console) -> Preferences:
    """Return the user's preferences; an unreadable settings file is reported on `console` but is not fatal."""
    settings, problem = SettingsStore(paths.settings_file).load()
    if problem is not None:
        console.print(str(problem), markup=False, emoji=False, highlight=False, soft_wrap=True)
    allow_prompts(settings.preferences.log_prompts)
    return settings.preferences


def library_for(paths: AppPaths, preferences: Preferences) -> Library:
    own = chosen_folder(preferences.checkpoints_folder, paths.checkpoints)
    return Library(shipped_folder=resources_folder() / "checkpoints", user_folder=own)


def absolute(path: Path) -> Path:
    """Return the absolute path with ~ expanded; raises OutputError if the current or home folder does not exist."""
    try:
        return path.expanduser().absolute()
    except (OSError, RuntimeError) as problem:
        raise OutputError(
            f"{path} cannot be resolved.", why=describe_error(problem), next_step=_NAME_A_FILE_HINT
        ) from problem


def _store(output: Path | None, count: int, elsewhere: tuple[Path, ...]) -> PictureStore:
    if output is None:
        folder = absolute(Path())
        check_writable(folder / "picture.png")
        return PictureStore(folder=folder, fallback_folders=elsewhere)
    output = absolute(output)
    _check_names(output, count, WRITTEN_ENDINGS)
    return NamedOutputStore(folder=output.parent, output=output, fallback_folders=elsewhere)


def _check_names(output: Path, count: int, endings: tuple[str, ...]) -> None:
    """Raise OutputError if one of the files for `count` pictures could not be written. Existing files with the further
    names are skipped on writing."""
    check_writable(output, endings)
    for name in islice(_numbered_outputs(output), count - 1):
        if not os.path.lexists(name):
            check_writable(name, endings)


def fallback_folders(paths: AppPaths, preferences: Preferences) -> tuple[Path, ...]:
    """Folders for a picture that cannot be written to its destination, since it took minutes to generate."""
    places = [expand_path(preferences.pictures_folder)] if preferences.pictures_folder else []
    with suppress(RuntimeError):  # there may be no home folder
        places += [paths.pictures, Path.home()]
    with suppress(OSError):
        places.append(Path(tempfile.gettempdir()))
    return tuple(places)


def with_device_names(entry_points: EntryPoints, asked: Execution) -> Execution:
    """Return it with OpenVINO's device names, before anything is loaded. The CPU always exists and is not looked up.
    Automatic is resolved by the engine, which reports its choice."""

    def known(name: str) -> str:
        if name in ("", "CPU") or name.strip().upper() == AUTOMATIC_DEVICE:
            return name.strip().upper()
        with stdout_to_stderr():
            return entry_points.device(name)

    return replace(
        asked,
        device=known(asked.device),
        text_device=known(asked.text_device),
        unet_device=known(asked.unet_device),
        vae_device=known(asked.vae_device),
    )


def _draw_checked(
    entry_points: EntryPoints,
    request: GenerationRequest,
    checkpoint: Checkpoint,
    store: PictureStore,
    paths: AppPaths,
    console: Console,
    as_json: bool,
    latents_out: Path | None,
) -> int:
    runner = ForegroundRunner(lambda: entry_points.engine(paths))
    session = GenerationSession(runner, store)
    with stdout_to_stderr(), display_for(console) as display, ForegroundHistory(paths.history) as history:
        session.recorder = HistoryRecorder(
            history.write, lambda error: display.print_message(str(error)), lambda _: checkpoint.title
        )
        display.print_message(f"Seed {request.sampling.seed}")
        session.changed = progress_printer(session, display)
        with catch_ctrl_c(entry_points.exit_process) as ctrl_c:
            session.generate(request)
            answered = runner.run_until_done(session, ctrl_c, lambda: display.print_message(STOPPING))
    lost = [] if latents_out is None else _keep_latents(session, latents_out)
    code = _print_results(session, request, checkpoint, console, as_json)
    for problem in lost:
        print_message(console, str(problem))
        code = code or 1
    if not answered:
        sys.stdout.flush()
        sys.stderr.flush()
        entry_points.exit_process(code)
    return code


def _keep_latents(session: GenerationSession, path: Path) -> list[OutputError]:
    """Write the latents of all pictures; return the errors for those not written as requested."""
    errors: list[OutputError] = []
    for result in session.results:
        latents = result.picture.latents
        if latents is None:
            continue
        try:
            _write_latents(path, latents, result)
        except OutputError as problem:
            errors.append(_latents_elsewhere(latents, result, session.store.fallback_folders, problem))
    return errors


def _write_latents(path: Path, latents: SavedLatents, result: Result) -> None:
    """Write the first picture's latents to `path`, and the others to the next unused names."""
    if result.picture.index == 0:
        write_latents(path, latents, result.request)
    else:
        _write_to_first(_numbered_outputs(path), latents, result)


def _write_to_first(names: Iterator[Path], latents: SavedLatents, result: Result) -> Path:
    """Write the latents to the first unused of `names` and return it."""
    for name in names:
        with suppress(FileNameTakenError):
            write_latents(name, latents, result.request, new=True)
            return name
    raise AssertionError("the numbers never end")


def _latents_elsewhere(
    latents: SavedLatents, result: Result, places: tuple[Path, ...], problem: OutputError
) -> OutputError:
    for folder in places:
        with suppress(Exception):  # whatever the error, the next folder may work
            file = _write_to_first(numbered_names(folder / f"latents-{result.picture.seed}{SUFFIX}"), latents, result)
            return OutputError(problem.what, why=problem.why, next_step=f"They were written to {file}.")
    return problem


def progress_printer(session: GenerationSession, display: Display) -> Callable[[], None]:
    def show() -> None:
        if session.run is not None and not session.run.cancelling:
            display.show(session.run.progress)

    return show


def _print_results(
    session: GenerationSession, request: GenerationRequest, checkpoint: Checkpoint, console: Console, as_json: bool
) -> int:
    """Report how the run ended, including pictures finished before a failure."""
    written = [result.saved_to for result in session.results]
    if session.finished is not None:
        for picture in session.finished.pictures:
            for note in picture.notes:
                print_message(console, note)
        if as_json:
            print(run_report(request, checkpoint, session.finished, written), flush=True)
    _print_written(written, as_json)
    if session.error is not None:
        print_message(console, str(session.error))
        return 2 if session.error.is_user_error and not isinstance(session.error, OutputError) else 1
    if session.finished is None:
        print_message(console, "Cancelled.")
        return EXIT_CANCELLED
    return 0


def _print_written(paths: list[Path | None], as_json: bool) -> None:
    for path in paths if not as_json else ():
        if path is not None:
            print(path, flush=True)


def print_message(console: Console, sentence: str) -> None:
    console.print(sentence, markup=False, emoji=False, highlight=False, soft_wrap=True)
