"""Draws grids through the queue, and composes and indexes each when its pictures are there, also after a restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError, OutputError, SdxlDesktopError, describe_error
from sdxl_desktop.core.file_names import slugify
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.history.entries import NewPicture
from sdxl_desktop.session.addition_library import LoraLookup
from sdxl_desktop.session.drafts import DraftingSession
from sdxl_desktop.session.grid_composition import grid_picture
from sdxl_desktop.session.grid_recording import new_grid_picture, record_grid
from sdxl_desktop.session.grid_store import GridStore, StoredGrid, new_grid
from sdxl_desktop.session.queue.queue_item import QueueItem, new_id
from sdxl_desktop.session.request_grid import GridAxis, grid_cells
from sdxl_desktop.session.request_key import request_key
from sdxl_desktop.session.result_files import Result, save_pixels_under_free_name
from sdxl_desktop.ui.grid.grid_dialog import GridDialog
from sdxl_desktop.ui.notify import Notify


@dataclass(frozen=True, slots=True)
class GridContext:
    """What grids need of the window. `build_request` returns the panel's request, or None after showing an error;
    `title_of` returns the title of its checkpoint, `lora_lookup` what finds the LoRAs of tags in prompts (None:
    they are text), `forecast` how long so many pictures take, as text; `open_file` opens a picture."""

    window: QWidget
    session: DraftingSession
    background: BackgroundRunner
    history: HistoryThread
    build_request: Callable[[], GenerationRequest | None]
    checkpoints: Callable[[], tuple[Checkpoint, ...]]
    title_of: Callable[[GenerationRequest], str]
    lora_lookup: Callable[[], LoraLookup | None]
    forecast: Callable[[int], str]
    open_file: Callable[[Path], object]
    notify: Notify
    show_error: Callable[[SdxlDesktopError], object]


class GridController(QObject):
    """Call `start` when the queue of earlier windows is there, and `refresh` after each change of the session."""

    def __init__(self, context: GridContext, file: Path) -> None:
        super().__init__(context.window)
        self._context, self._store = context, GridStore(file)
        self._grids: dict[str, StoredGrid] = {}
        self._seen: set[Path] = set()
        self._composing: set[str] = set()
        self._handled: tuple[object, list[Result]] = (None, [])
        """The queue and the results at the last look, which need no other until one of them changes."""
        self._keys: dict[str, tuple[GenerationRequest, str]] = {}
        """The requests of the queue's items with their keys, by item."""

    def start(self) -> None:
        """Go on with the grids of earlier windows."""
        self._grids = {grid.id: grid for grid in self._store.load()} | self._grids
        self._handled = (None, [])
        self.refresh()

    def open(self) -> GridDialog:
        """Show the dialog for a new grid."""
        dialog = GridDialog(self._context.window, self._context.forecast)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.set_checkpoints(self._context.checkpoints())
        dialog.draw_requested.connect(partial(self._draw_from, dialog))
        dialog.open()
        return dialog

    def _draw_from(self, dialog: GridDialog, axes: tuple[GridAxis, ...]) -> None:
        try:
            started = self.draw(axes)
        except SdxlDesktopError as problem:
            dialog.show_error(str(problem))
            return
        if started:
            dialog.accept()

    def draw(self, axes: tuple[GridAxis, ...]) -> bool:
        """Add the pictures of a grid of the panel's request to the queue; False after an error was shown.

        Raises SdxlDesktopError for a value that does not fit.
        """
        if not self._context.session.store.keep_every_picture:
            raise OutputError(
                "A grid is made of saved pictures.", next_step="Turn on saving every picture in the settings."
            )
        base = self._context.build_request()
        if base is None:
            return False
        cells = grid_cells(base, axes, self._find_checkpoint, self._context.lora_lookup())
        grid = new_grid(new_id(), base, axes, cells, self._context.title_of(base))
        self._store.save(grid)
        self._grids[grid.id] = grid
        self._context.session.enqueue_all([cell.request for cell in cells])
        self._context.notify(f"{len(cells)} pictures of a grid are in the queue")
        return True

    def _find_checkpoint(self, name: str) -> Checkpoint:
        found = next((one for one in self._context.checkpoints() if name in (one.name, one.title)), None)
        if found is None:
            known = ", ".join(one.name for one in self._context.checkpoints())
            raise CheckpointError(f"There is no checkpoint called {name!r}.", next_step=f"Choose among: {known}.")
        return found

    @property
    def unfinished(self) -> tuple[StoredGrid, ...]:
        """The grids that are not composed yet."""
        return tuple(self._grids.values())

    # following the session

    def refresh(self) -> None:
        """Take over new pictures, and compose the grids that no picture is missing from, or none can come for."""
        session = self._context.session
        if not self._grids or (session.queue is self._handled[0] and session.results == self._handled[1]):
            return  # this is called at each step of a run
        self._handled = (session.queue, list(session.results))
        for result in session.results:
            if result.saved_to is not None and result.saved_to not in self._seen:
                self._seen.add(result.saved_to)
                self._take(result, result.saved_to)
        if any(one.saved_to is None and one.problem is None for one in session.results):
            return  # a picture is being written
        self._keys = {item.id: (item.request, self._key_of(item)) for item in session.queue.items}
        waiting = {key for _, key in self._keys.values()}
        for grid in list(self._grids.values()):
            if grid.id not in self._composing and not grid.missing() & waiting:
                self._composing.add(grid.id)
                QTimer.singleShot(0, self, partial(self._compose, grid))  # its message follows those of its pictures

    def _key_of(self, item: QueueItem) -> str:
        request, key = self._keys.get(item.id, (None, ""))
        return key if request is item.request else request_key(item.request)

    def _take(self, result: Result, file: Path) -> None:
        key = request_key(result.request)
        for grid in list(self._grids.values()):
            if key in grid.missing():
                self._grids[grid.id] = grid.with_file(key, file)
                self._keep(self._grids[grid.id])

    def _keep(self, grid: StoredGrid) -> None:
        try:
            self._store.save(grid)
        except SdxlDesktopError as problem:
            self._context.show_error(problem)

    def _compose(self, grid: StoredGrid) -> None:
        """Write the labelled picture beside the others; a grid without any picture is forgotten."""
        files = grid.files()
        if not files:
            self._forget(grid)
            return
        folder = self._context.session.store.folder

        def done(picture: NewPicture) -> None:
            file = picture.file
            self._forget(grid)
            self._context.history.write(partial(record_grid, grid=picture, pictures=tuple(files.values())))
            self._context.notify(
                f"The grid is drawn: {file.name}",
                action="Open it",
                callback=lambda: self._context.open_file(file),
                persistent=True,
            )

        def failed(problem: SdxlDesktopError) -> None:
            self._forget(grid)
            self._context.show_error(problem)

        self._context.background.read(partial(_write_grid, grid, files, folder), done, failed)

    def _forget(self, grid: StoredGrid) -> None:
        self._composing.discard(grid.id)
        self._grids.pop(grid.id, None)
        try:
            self._store.remove(grid.id)
        except SdxlDesktopError as problem:
            self._context.show_error(problem)


def _write_grid(grid: StoredGrid, files: dict[tuple[int, ...], Path], folder: Path) -> NewPicture:
    """Compose the grid and write it under an unused name; return it for the history. Raises OutputError."""
    present = {place: file for place, file in files.items() if file.is_file()}
    try:
        pixels = grid_picture(grid.grid_axes(), present, grid.size, resources_folder() / "fonts")
    except OSError as problem:
        raise OutputError(
            "The picture of the grid could not be made.",
            why=describe_error(problem),
            next_step="Its pictures are in the pictures folder.",
        ) from problem
    file = save_pixels_under_free_name(pixels, folder / f"{slugify(grid.prompt, 'picture')}-grid.png")
    record = grid.picture_record()
    return new_grid_picture(file, pixels, record, prompt=grid.prompt, checkpoint_title=grid.checkpoint_title)
