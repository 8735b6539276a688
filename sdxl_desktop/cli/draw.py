"""`generate`: checks everything that can be checked, draws, and says where the pictures are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from rich.console import Console

from sdxl_desktop.cli.doors import Doors
from sdxl_desktop.cli.foreground import CANCELLED, ForegroundRunner, ctrl_c_heard
from sdxl_desktop.cli.options import Options, build_request
from sdxl_desktop.cli.progress import Display, display_for
from sdxl_desktop.cli.quiet import stdout_kept_clean
from sdxl_desktop.cli.report import run_report
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import OutputError
from sdxl_desktop.core.latents import KeptLatents
from sdxl_desktop.core.new_file import NameTakenError, numbered
from sdxl_desktop.core.paths import AppPaths, resources
from sdxl_desktop.core.request import AUTOMATIC, Execution, GenerationRequest
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.history.latents import SUFFIX, write_latents
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.pictures import PictureStore, Result, check_writable, save_as, save_unused
from sdxl_desktop.session.session import Session
from sdxl_desktop.session.settings_store import SettingsStore

_STOPPING = "Stopping; Ctrl+C again stops at once."


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFiles(PictureStore):
    """Writes the first picture of a run to `output`, replacing what is there, since it was named; the others to the
    next unused names: output-2, output-3 and so on."""

    output: Path

    def autosave(self, result: Result) -> Result:
        if result.picture.index == 0:
            return save_as(result, self.output)
        return save_unused(result, _further(self.output))


def _further(output: Path) -> Iterator[Path]:
    """The names for what `output` does not name itself: output-2, output-3 and so on."""
    return islice(numbered(output), 1, None)


def draw(doors: Doors, options: Options, *, checkpoint: str | None, output: Path | None, as_json: bool) -> int:
    """Draw and report; returns the exit code, raises SdxlDesktopError for what is wrong before drawing starts."""
    console = Console(stderr=True)
    paths = doors.paths()
    preferences = load_preferences(paths, console)
    library = library_for(paths, preferences)
    found = library.default() if checkpoint is None else library.find(checkpoint)
    request = build_request(options, found, preferences, library.find)
    store = _store(output)
    if options.latents_out is not None:
        check_writable(options.latents_out.expanduser().absolute(), (SUFFIX,))
    request = replace(request, execution=_execution(doors, request.execution))
    return _draw_checked(doors, request, found, store, paths, console, as_json, options.latents_out)


def load_preferences(paths: AppPaths, console: Console) -> Preferences:
    """The person's preferences; a settings file that cannot be read is told on `console` and does not block."""
    settings, problem = SettingsStore(paths.settings_file).load()
    if problem is not None:
        console.print(str(problem), markup=False, highlight=False, soft_wrap=True)
    return settings.preferences


def library_for(paths: AppPaths, preferences: Preferences) -> Library:
    own = Path(preferences.checkpoints_folder) if preferences.checkpoints_folder else paths.checkpoints
    return Library(shipped=resources() / "checkpoints", own=own)


def _store(output: Path | None) -> PictureStore:
    if output is None:
        folder = Path.cwd()
        check_writable(folder / "picture.png")
        return PictureStore(folder=folder)
    output = output.expanduser().absolute()
    check_writable(output)
    return NamedFiles(folder=output.parent, output=output)


def _execution(doors: Doors, asked: Execution) -> Execution:
    """With the devices by OpenVINO's names, before anything is loaded. The processor is always there: no need to ask.
    Automatic is left to the engine, which says what it took."""

    def known(name: str) -> str:
        if name in ("", "CPU") or name.strip().upper() == AUTOMATIC:
            return name.strip().upper()
        with stdout_kept_clean():
            return doors.device(name)

    return replace(
        asked,
        device=known(asked.device),
        text_device=known(asked.text_device),
        unet_device=known(asked.unet_device),
        vae_device=known(asked.vae_device),
    )


def _draw_checked(
    doors: Doors,
    request: GenerationRequest,
    checkpoint: Checkpoint,
    store: PictureStore,
    paths: AppPaths,
    console: Console,
    as_json: bool,
    latents_out: Path | None,
) -> int:
    runner = ForegroundRunner(lambda: doors.engine(paths))
    session = Session(runner, store)
    with stdout_kept_clean(), display_for(console) as display:
        display.say(f"Seed {request.sampling.seed}")
        session.changed = _shows(session, display)
        with ctrl_c_heard(doors.leave) as ctrl_c:
            session.generate(request)
            answered = runner.follow(session, ctrl_c, lambda: display.say(_STOPPING))
    if latents_out is not None:
        _keep_latents(session, latents_out)
    code = _tell(session, request, checkpoint, console, as_json)
    if not answered:
        sys.stdout.flush()
        sys.stderr.flush()
        doors.leave(code)
    return code


def _keep_latents(session: Session, path: Path) -> None:
    for result in session.results:
        if result.picture.latents is not None:
            _write_latents(path.expanduser().absolute(), result.picture.latents, result)


def _write_latents(path: Path, latents: KeptLatents, result: Result) -> None:
    """Those of the first picture to `path`, which was named; the others to the next unused names."""
    if result.picture.index == 0:
        write_latents(path, latents, result.request)
        return
    for name in _further(path):
        with suppress(NameTakenError):
            write_latents(name, latents, result.request, new=True)
            return


def _shows(session: Session, display: Display) -> Callable[[], None]:
    def show() -> None:
        if session.run is not None and not session.run.cancelling:
            display.show(session.run.progress)

    return show


def _tell(session: Session, request: GenerationRequest, checkpoint: Checkpoint, console: Console, as_json: bool) -> int:
    """Say how the run ended; pictures that were finished before it ended badly are named too."""
    written = [result.saved_to for result in session.results]
    if session.error is not None:
        _say_written(written, as_json)
        _say(console, str(session.error))
        return 2 if session.error.bad_input and not isinstance(session.error, OutputError) else 1
    if session.finished is None:
        _say_written(written, as_json)
        _say(console, "Cancelled.")
        return CANCELLED
    for picture in session.finished.pictures:
        for note in picture.notes:
            _say(console, note)
    if as_json:
        print(run_report(request, checkpoint, session.finished, written), flush=True)
    _say_written(written, as_json)
    return 0


def _say_written(paths: list[Path | None], as_json: bool) -> None:
    for path in paths if not as_json else ():
        if path is not None:
            print(path, flush=True)


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)
