"""What is done with the result on the canvas as it is: saved, copied, shown in its folder, its settings used again."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.session.pictures import Result, suggested_name
from sdxl_desktop.session.session import Session
from sdxl_desktop.ui.desk import Desk
from sdxl_desktop.ui.desktop import show_in_folder
from sdxl_desktop.ui.saving import PICTURES, ask_where
from sdxl_desktop.ui.stage import Stage
from sdxl_desktop.ui.telling import Tell
from sdxl_desktop.ui.transfer import OutgoingPictures


class ResultVerbs(QObject):
    """They do nothing while no result is on the canvas; `fail` tells what went wrong."""

    def __init__(
        self,
        session: Session,
        stage: Stage,
        desk: Desk,
        outgoing: OutgoingPictures,
        tell: Tell,
        fail: Callable[[SdxlDesktopError], None],
    ) -> None:
        super().__init__(stage)
        self._session, self._stage, self._desk, self._outgoing = session, stage, desk, outgoing
        self._tell, self._fail = tell, fail

    def current(self) -> Result | None:
        """The result on the canvas."""
        row = self._stage.current_row()
        return self._session.results[row] if 0 <= row < len(self._session.results) else None

    def save(self) -> None:
        """Write it to the pictures folder, if it is not there."""
        self._keep(lambda row: self._session.save(row))

    def save_as(self) -> None:
        """Ask where, and write it there."""
        result = self.current()
        if result is None:
            return
        start = self._session.store.folder / f"{suggested_name(result)}.png"
        place = ask_where(self._stage, "Save picture as", start, PICTURES)
        if place is not None:
            self._keep(lambda row: self._session.save_as(row, place.path))

    def _keep(self, verb: Callable[[int], Result]) -> None:
        if self.current() is None:
            return
        try:
            result = verb(self._stage.current_row())
        except SdxlDesktopError as problem:
            self._fail(problem)
        else:
            self.tell_saved(result)

    def tell_saved(self, result: Result) -> None:
        """Say which file holds it, if any does."""
        file = result.saved_to
        if file is not None:
            words = f"Saved as {file.name}"
            self._tell(
                words, answer="Show in folder", act=lambda: show_in_folder(file, self._fail, self), tip=str(file)
            )

    def copy(self) -> None:
        """Put the pixels of what is on the canvas on the clipboard."""
        pixels = self._stage.shown_pixels()
        if pixels is not None:
            self._outgoing.copy(pixels)
            self._tell("Picture copied")

    def use_settings(self) -> None:
        """Put what made it back onto the desk."""
        result = self.current()
        if result is not None:
            problem = self._desk.reuse(result.request, result.picture.seed, result.picture.checkpoint_id)
            if problem is not None:
                self._fail(problem)

    def use_seed(self) -> None:
        result = self.current()
        if result is not None:
            self._desk.use_seed(result.picture.seed)

    def show_in_folder(self) -> None:
        result = self.current()
        if result is not None and result.saved_to is not None:
            show_in_folder(result.saved_to, self._fail, self)
