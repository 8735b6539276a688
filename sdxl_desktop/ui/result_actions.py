"""Actions on the result on the canvas that leave it unchanged: save, copy, show in folder, reuse its settings."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.result_files import Result, suggested_name
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.file_manager import show_in_folder
from sdxl_desktop.ui.notify import Notify
from sdxl_desktop.ui.outgoing_pictures import OutgoingPictures
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.save_dialog import PICTURE_FORMATS, ask_save_target


class ResultActions(QObject):
    """Actions that do nothing if no result is on the canvas; `show_error` reports failures."""

    def __init__(
        self,
        session: GenerationSession,
        canvas_area: CanvasArea,
        parameters_panel: ParametersPanel,
        outgoing: OutgoingPictures,
        notify: Notify,
        show_error: Callable[[SdxlDesktopError], None],
    ) -> None:
        super().__init__(canvas_area)
        self._session, self._canvas_area, self._parameters_panel, self._outgoing = (
            session,
            canvas_area,
            parameters_panel,
            outgoing,
        )
        self._notify, self._show_error = notify, show_error

    def current(self) -> Result | None:
        """Return the result on the canvas."""
        row = self._canvas_area.current_row()
        return self._session.results[row] if 0 <= row < len(self._session.results) else None

    def save(self) -> None:
        """Save the result to the pictures folder, unless it is there already."""
        self._save_with(lambda row: self._session.save(row))

    def save_as(self) -> None:
        """Ask for a file and write the result to it."""
        result = self.current()
        if result is None:
            return
        start = self._session.store.folder / f"{suggested_name(result)}.png"
        place = ask_save_target(self._canvas_area, "Save picture as", start, PICTURE_FORMATS)
        if place is not None:
            self._save_with(lambda row: self._session.save_as(row, place.path))

    def _save_with(self, save: Callable[[int], Result]) -> None:
        if self.current() is None:
            return
        try:
            result = save(self._canvas_area.current_row())
        except SdxlDesktopError as problem:
            self._show_error(problem)
        else:
            self.notify_saved(result)

    def notify_saved(self, result: Result) -> None:
        """Show the result's file, if it has one."""
        file = result.saved_to
        if file is not None:
            words = f"Saved as {file.name}"
            self._notify(
                words,
                action="Show in folder",
                callback=lambda: show_in_folder(file, self._show_error, self),
                tooltip=str(file),
            )

    def copy(self) -> None:
        """Copy the pixels on the canvas to the clipboard."""
        pixels = self._canvas_area.shown_pixels()
        if pixels is not None:
            self._outgoing.copy(pixels)
            self._notify("Picture copied")

    def apply_settings(self) -> None:
        """Restore the result's settings in the parameters panel."""
        result = self.current()
        if result is not None:
            problem = self._parameters_panel.apply_recorded(
                result.request, result.picture.seed, result.picture.checkpoint_id
            )
            if problem is not None:
                self._show_error(problem)

    def apply_seed(self) -> None:
        result = self.current()
        if result is not None:
            self._parameters_panel.set_seed(result.picture.seed)

    def show_in_folder(self) -> None:
        result = self.current()
        if result is not None and result.saved_to is not None:
            show_in_folder(result.saved_to, self._show_error, self)
