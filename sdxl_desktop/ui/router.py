"""The single entry point for whatever is dropped, pasted, opened or named on the command line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.session.file_kinds import SortedFiles, sorted_files
from sdxl_desktop.ui.incoming import Incoming, open_filter, parse_incoming, read_incoming

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingHandlers:
    """The handlers by kind. `add_checkpoint` takes a path or the URL of a hub page; `add_weights` LoRAs, embeddings and
    VAEs; `download` the URL of a picture on the web, and asks first."""

    open_pictures: Callable[[tuple[Path, ...]], object]
    open_image: Callable[[bytes], object]
    open_project: Callable[[Path], object]
    open_latents: Callable[[Path], object]
    add_weights: Callable[[tuple[Path, ...]], object]
    add_checkpoint: Callable[[str], object]
    download: Callable[[str], object]
    show_error: Callable[[SdxlDesktopError], object]
    show_message: Callable[[str], object]


class Router(QObject):
    """Detects the kind of incoming data and passes it to its handler; unsupported data is reported."""

    def __init__(
        self, window: QWidget, background: BackgroundRunner, to: IncomingHandlers, last_folder: Callable[[], str]
    ) -> None:
        super().__init__(window)
        self._window, self._background, self._to, self._last_folder = window, background, to, last_folder

    def choose_file(self) -> None:
        """Ask for a file of any kind. (A folder that is a checkpoint is opened by its `model_index.json`.)"""
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open", self._last_folder(), open_filter())
        if chosen:
            self.open_files([Path(chosen)])

    def paste(self) -> None:
        """Open the clipboard's content: a picture, files, or a hub page."""
        found = read_incoming(QGuiApplication.clipboard().mimeData())
        if found:
            self.open_incoming(found)
        else:
            self._to.show_message("There is no picture on the clipboard")

    def open_named(self, names: Iterable[Path | str]) -> None:
        """Open what the command line names: files, folders and URLs."""
        files = [name for name in names if isinstance(name, Path)]
        if files:
            self.open_files(files)
        for text in (name for name in names if isinstance(name, str)):
            self.open_incoming(parse_incoming(text))

    def open_files(self, files: Iterable[Path]) -> None:
        """Open files and folders of any kind."""
        self.open_incoming(Incoming(files=tuple(files)))

    def open_incoming(self, found: Incoming) -> None:
        """Pass incoming data to its handler. Only the first of each kind is opened, except LoRAs, embeddings and VAEs,
        which are all added; further pictures appear in the recent files."""
        if found.error is not None:
            self._to.show_error(found.error)
        elif found.files:
            self._background.read(partial(sorted_files, found.files), self._take_sorted, self._to.show_error)
        elif found.image:
            self._to.open_image(found.image)
        elif found.page:
            self._to.add_checkpoint(found.page)
        elif found.picture_url:
            self._to.download(found.picture_url)

    def _take_sorted(self, found: SortedFiles) -> None:
        to = self._to
        _log.info(
            "Opening: %d pictures, %d projects, %d latents, %d additions, %d checkpoints",
            *map(len, (found.pictures, found.projects, found.latents, found.additions, found.checkpoints)),
        )
        if found.problem is not None:
            to.show_error(found.problem)
        if found.additions:
            to.add_weights(found.additions)
        if found.checkpoints:
            to.add_checkpoint(str(found.checkpoints[0]))
        if found.projects:
            to.open_project(found.projects[0])
        elif found.pictures:
            to.open_pictures(found.pictures)
        elif found.latents:
            to.open_latents(found.latents[0])
