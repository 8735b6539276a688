"""`batch`: draws every row of a file of requests, and can be interrupted and resumed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.foreground import EXIT_CANCELLED
from sdxl_desktop.cli.generate_run import absolute, fallback_folders, library_for, load_preferences, print_message
from sdxl_desktop.cli.options import Options, request_from_options
from sdxl_desktop.cli.planned_runs import PlannedDrawing, PlannedRun, RunCounts
from sdxl_desktop.cli.prompt_craft import PromptCraftFiles, prompt_craft_for
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import OutputError, RequestError, SdxlDesktopError, describe_error
from sdxl_desktop.core.file_names import slugify
from sdxl_desktop.core.paths import expand_path
from sdxl_desktop.core.request import MAX_SEED, GenerationRequest
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.imaging.picture_formats import WRITTEN_ENDINGS
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.addition_library import LoraLookup, lora_lookup
from sdxl_desktop.session.batch_rows import BatchRow, read_rows
from sdxl_desktop.session.result_files import check_writable
from sdxl_desktop.session.run_progress import RunProgress

PROGRESS_FILE = "batch-progress.jsonl"
_EXIT_BAD_INPUT = 2


def batch(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .jsonl or .csv file with one request per row.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="The folder for the pictures; created if missing.")
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a batch in that folder: finished pictures are skipped.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Check all rows, and draw nothing.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per picture or bad row on standard output.")
    ] = False,
) -> int:
    """Draw every row of a file, one request per row.

    Rows name the options of generate without dashes: prompt, negative, size, steps, seed, image, lora and so on. All
    rows are checked before the first is drawn; bad ones are reported with their number, and the others are drawn. Exit
    codes: 0 all drawn, 1 some rows were bad or failed, 2 nothing could be drawn, 130 cancelled.
    """
    return run_batch(context.obj, file, output, resume=resume, check=check, as_json=as_json)


@dataclass(frozen=True)
class _Builder:
    """Makes requests of rows, whose relative paths start at `folder`."""

    preferences: Preferences
    library: Library
    default: Checkpoint
    folder: Path
    prompt_craft: PromptCraftFiles
    lora_lookup: LoraLookup | None = None
    found: dict[str, Checkpoint] = field(default_factory=dict)

    def request(self, row: BatchRow, tell: Callable[[str], None], seed: int | None = None) -> GenerationRequest:
        """Return the request of a whole row, with `seed` in place of its own; raises SdxlDesktopError for the first
        invalid value."""
        options = Options(
            prompt=row.text("prompt") or "",
            style=row.texts("style"),
            variants=row.text("variants"),
            preset=row.text("preset"),
            values=row.values if seed is None else {**row.values, "seed": str(seed)},
            image=self._path(row.text("image")),
            mask=self._path(row.text("mask")),
            backdrop=row.text("backdrop"),
            intent=row.text("intent"),
            refiner=row.text("refiner"),
            lora=tuple(self._addition(one) for one in row.texts("lora")),
            embedding=tuple(self._addition(one) for one in row.texts("embedding")),
            vae=self._path(row.text("vae")),
        )
        craft = prompt_craft_for(options, self.prompt_craft)
        wanted = row.text("checkpoint") or craft.checkpoint
        checkpoint = self.default if wanted is None else self._find_checkpoint(wanted)
        return request_from_options(
            options, checkpoint, self.preferences, self._find_checkpoint, tell, craft, lora_lookup=self.lora_lookup
        )

    def _find_checkpoint(self, name: str) -> Checkpoint:
        if name not in self.found:
            self.found[name] = self.library.find_checkpoint(name)
        return self.found[name]

    def _path(self, text: str | None) -> Path | None:
        return None if text is None else self.folder / expand_path(text)

    def _addition(self, text: str) -> str:
        return str(self.folder / expand_path(text))


def run_batch(entry_points: EntryPoints, file: Path, output: Path, *, resume: bool, check: bool, as_json: bool) -> int:
    """Check all rows, draw the good ones, and report; return the exit code. Raises SdxlDesktopError if nothing can be
    drawn."""
    console = Console(stderr=True)
    paths = entry_points.paths()
    preferences = load_preferences(paths, console)
    file, folder = absolute(expand_path(file)), absolute(expand_path(output))
    rows = read_rows(file)
    progress = _open_progress(folder, resume=resume, create=not check)
    library = library_for(paths, preferences)
    prompt_craft = PromptCraftFiles(paths, preferences, lambda note: print_message(console, note))
    builder = _Builder(
        preferences, library, library.default_checkpoint(), file.parent, prompt_craft, lora_lookup(paths, preferences)
    )
    drawing = PlannedDrawing(entry_points, paths, progress, fallback_folders(paths, preferences), console, as_json)
    planner = _Planner(builder, folder, progress, drawing)
    planner.plan(rows)
    print_message(console, _summary(rows, planner))
    if check or not planner.runs:
        return _EXIT_BAD_INPUT if planner.bad_rows else 0
    counts = drawing.draw(planner.runs)
    counts.failed += planner.bad_rows
    print_message(console, _outcome(counts, file, output))
    if counts.cancelled:
        return EXIT_CANCELLED
    return 1 if counts.failed else 0


def _open_progress(folder: Path, *, resume: bool, create: bool) -> RunProgress:
    try:
        if create:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(
            f"The folder {display_text(folder, 1000)} cannot be made.",
            why=describe_error(problem),
            next_step="Choose another folder.",
        ) from problem
    progress = RunProgress(folder / PROGRESS_FILE)
    if create:
        check_writable(folder / "picture.png")
    if progress.finished and not resume:
        raise RequestError(
            f"{display_text(folder, 1000)} holds {len(progress.finished)} pictures of a batch.",
            next_step="Add --resume to go on with it, or choose another folder.",
        )
    return progress


@dataclass
class _Planner:
    """Turns rows into runs; `drawing` reports the bad ones."""

    builder: _Builder
    folder: Path
    progress: RunProgress
    drawing: PlannedDrawing
    runs: list[PlannedRun] = field(default_factory=list)
    bad_rows: int = 0
    _seen: Counter[str] = field(default_factory=Counter)
    _outputs: dict[str, int] = field(default_factory=dict)

    def plan(self, rows: Sequence[BatchRow]) -> None:
        """Check every row, and plan the pictures of the good ones."""
        for row in rows:
            try:
                if row.error is not None:
                    raise row.error
                self.runs += self._runs_of(row)
            except SdxlDesktopError as problem:
                self.bad_rows += 1
                self.drawing.report_failure(f"Row {row.number}", problem, {"row": row.number})

    def _runs_of(self, row: BatchRow) -> list[PlannedRun]:
        """Return the row's pictures, each a run of its own, so that finished ones need not be drawn again."""

        def tell(note: str) -> None:
            print_message(self.drawing.console, f"Row {row.number}: {note}")

        key = _row_key(row, self.builder.folder)
        self._seen[key] += 1
        key = f"{key}-{self._seen[key]}"
        request = self.builder.request(row, tell)
        count = request.sampling.count
        first = self._first_seed(key, count, request.sampling.seed)
        stem, ending = self._file_name(row, request)
        runs = []
        for index in range(count):
            file = self.folder / (f"{stem}{ending}" if index == 0 else f"{stem}-{index + 1}{ending}")
            if self.folder.is_dir():  # not if rows are only checked
                check_writable(file)
            title = f"Row {row.number}" if count == 1 else f"Row {row.number}, picture {index + 1}"
            build = partial(self._build, row, first, index)
            runs.append(PlannedRun(f"{key}-{index}", title, file, build, {"row": row.number}))
        return runs

    def _build(self, row: BatchRow, first_seed: int, index: int) -> GenerationRequest:
        """Return the request for the picture `index` of a row, from 0, whose first picture has `first_seed`."""
        made = self.builder.request(row, lambda note: None, first_seed)
        seed = (first_seed + index) % (MAX_SEED + 1)
        return made.with_pictures(index, replace(made.sampling, seed=seed, count=1))

    def _first_seed(self, key: str, count: int, seed: int) -> int:
        """Return the seed of the row's first picture: with random seeds, that of the pictures already drawn."""
        for index in range(count):
            done = self.progress.finished.get(f"{key}-{index}")
            if done is not None:
                return (done.seed - index) % (MAX_SEED + 1)
        return seed

    def _file_name(self, row: BatchRow, request: GenerationRequest) -> tuple[str, str]:
        """Return the name and ending of the row's file: as given, or from its number and prompt."""
        given = row.text("output")
        if given is None:
            return f"{row.number:04}-{slugify(request.prompts.prompt, 'picture')}", ".png"
        name = Path(given)
        if name.name != given or given.startswith(".") or "\\" in given:
            raise RequestError(
                f"The output {display_text(given, 60)!r} is not a file name.",
                why="Pictures are written into the batch's folder only.",
                next_step="Give a name without a folder, or leave it out.",
            )
        if name.suffix.lower() not in WRITTEN_ENDINGS:
            check_writable(name)  # says which endings are valid
        taken = self._outputs.setdefault(given.casefold(), row.number)
        if taken != row.number:
            raise RequestError(
                f"Row {taken} has the output {display_text(given, 60)!r} too.",
                next_step="Give each row a name of its own.",
            )
        return name.stem, name.suffix


def _row_key(row: BatchRow, folder: Path) -> str:
    """Return a hash of the row's values, and of the sizes and times of the files that it names."""
    stamps = []
    for name in ("image", "mask"):
        path = row.text(name)
        if path is not None:
            try:
                found = (folder / expand_path(path)).stat()
            except (OSError, ValueError):
                continue  # the check of the row reports it
            stamps.append((name, found.st_size, found.st_mtime_ns))
    content = json.dumps([dict(row.values), stamps], sort_keys=True)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _summary(rows: Sequence[BatchRow], planner: _Planner) -> str:
    done = sum(run.key in planner.progress.finished for run in planner.runs)
    words = [f"{_count(len(rows), 'row')}, {_count(len(planner.runs), 'picture')}"]
    words += [f"{done} already drawn"] if done else []
    words += [_count(planner.bad_rows, "bad row")] if planner.bad_rows else []
    return "; ".join(words) + "."


def _outcome(counts: RunCounts, file: Path, output: Path) -> str:
    words = f"{counts.drawn} drawn" + (f", {counts.kept} already there" if counts.kept else "")
    words += f", {counts.failed} not drawn" if counts.failed else ""
    if counts.cancelled:
        return f"Cancelled: {words}. The same command with --resume goes on."
    return f"{words}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
